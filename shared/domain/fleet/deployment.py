"""Deployments: an update for a group, and what each device should be asked to do about it.

A deployment targets every device class of its group that its update fits, late comers included. The
newest deployment that has started is in force for a class; an older one is superseded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shared.domain.domain_event import DomainEvent
from shared.domain.errors import Conflict, InvalidInput
from shared.domain.fleet.command import (
    DEFAULT_PRIORITY,
    DeviceCommand,
    Precedence,
    SignatureGeneration,
    Times,
)
from shared.domain.fleet.device_class import DeviceClass, is_compatible
from shared.domain.fleet.names import is_short_in_key
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.specification import Rollout, Window
from shared.domain.updates.update_id import UpdateId

__all__ = ["DeviceCommand", "SignatureGeneration"]

MAX_DEPLOYMENT_ID = 73
_DEPLOYMENT_ID = re.compile(r'[^&^\[\]{}|<>/\\"A-Z\x00-\x20\x7f#?]+')


class DeploymentState(StrEnum):
    """State of a deployment for a group or one of its device classes, as the API names it."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"
    CANCELED = "Canceled"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Subgroup:
    """What an operator did to a deployment for one device class."""

    is_canceled: bool = False
    retry_timestamp: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class RollbackPolicy:
    """The update to go back to, and when: both thresholds are reached in one device class."""

    update_id: UpdateId
    failed_percentage: int
    failed_count: int

    def is_due(self, failed: int, total: int) -> bool:
        """Whether too many of `total` devices of a class have failed."""
        return (
            failed > 0
            and failed >= self.failed_count
            and failed * 100 >= self.failed_percentage * total
        )


_EVERYBODY_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Deployment:
    """One update for one group.

    `workflow_id` is what devices see; it is new for every deployment, even one that takes the id of
    a deleted one. `starts_at` and `created_at` are ISO 8601 in UTC. A rollback
    (`is_rollback`) is one that the service made itself, for `only_class_id`. One whose update was
    recalled (`recall_reason`) is cancelled for every class, also for those to come. `is_started`
    says that this was told to customers, `is_finished` that it is known, `events` what is still to
    be told.

    One with a `rollout` reaches its devices step by step; `progress` says where it stands.
    `revision` counts what operators have asked for: it moves with the specification and with their
    actions, never with what devices report. `author` is the object id of who created it. `undoes`
    is the workflow whose devices a rollback takes back: it reaches nobody else. `is_own` is one
    that a single device was given, whose windows are `own_windows`; with `ignores_device_window`
    the device's own do not count. `fan_out_until` is when the last of its messages is due.
    `traceparent` is the W3C trace context of the call that made it: what is done for it belongs
    there.
    """

    deployment_id: str
    group_id: str
    update_id: UpdateId
    compatibility: tuple[Mapping[str, str], ...]
    workflow_id: str
    starts_at: str
    created_at: str
    subgroups: Mapping[str, Subgroup] = field(default_factory=dict)
    rollback_policy: RollbackPolicy | None = None
    only_class_id: str | None = None
    is_rollback: bool = False
    is_fanned_out: bool = False
    recall_reason: str | None = None
    issue: SignatureGeneration = field(default_factory=SignatureGeneration)
    is_started: bool = False
    is_finished: bool = False
    events: tuple[DomainEvent, ...] = ()
    rollout: Rollout | None = None
    progress: Progress | None = None
    revision: int = 1
    warnings: tuple[str, ...] = ()
    author: str = ""
    undoes: str = ""
    undone_priority: int = DEFAULT_PRIORITY
    is_own: bool = False
    own_windows: tuple[Window, ...] = ()
    ignores_device_window: bool = False
    fan_out_until: str = ""
    traceparent: str = ""

    @property
    def priority(self) -> int:
        """The higher one decides, whatever the age; a rollback has that of what it undoes."""
        return self.rollout.priority if self.rollout is not None else self.undone_priority

    @property
    def windows(self) -> tuple[Window, ...]:
        """When devices may be asked; at any time without them."""
        return self.rollout.windows if self.rollout is not None else self.own_windows

    @property
    def heeds_device_window(self) -> bool:
        """Whether a window that a device has of its own counts; a rollback waits for none."""
        if self.rollout is not None:
            return not self.rollout.ignore_device_window
        return not (self.undoes or self.ignores_device_window)

    @property
    def withdraws_on_close(self) -> bool:
        """Whether commands that nobody has begun are taken back when a window closes."""
        return self.rollout is None or self.rollout.on_close == "Withdraw"

    @property
    def seed(self) -> str:
        """What orders the devices of its roll-out."""
        return (self.rollout.seed if self.rollout else None) or self.workflow_id

    @property
    def is_final(self) -> bool:
        """Whether nobody will be asked to run it any more."""
        return self.recall_reason is not None or (
            self.progress is not None and self.progress.status.is_final
        )

    @property
    def reaches_everybody(self) -> bool:
        """Whether every device of its classes is one that it has reached."""
        if self.undoes:
            return False
        if self.rollout is None:
            return True
        if self.progress is None or self.progress.status is not Status.COMPLETED:
            return False
        return self.rollout.phases[-1].select.percent == _EVERYBODY_PERCENT

    def has_started(self, now: str) -> bool:
        """Whether it counts yet: it has started and, of a roll-out, was approved."""
        if self.starts_at > now:
            return False
        return self.rollout is None or (self.progress is not None and bool(self.progress.opened))

    def may_ask(self, class_id: str) -> bool:
        """Whether devices of a class that it reaches may be asked now."""
        if self.subgroup(class_id).is_canceled:
            return False
        return self.rollout is None or (self.progress is not None and self.progress.may_ask)

    def targets(self, device_class: DeviceClass) -> bool:
        """Whether the update fits the class and nobody deleted the deployment for it."""
        class_id = device_class.class_id
        if self.only_class_id not in (None, class_id) or self.subgroup(class_id).is_deleted:
            return False
        return is_compatible(self.compatibility, device_class.properties)

    def subgroup(self, class_id: str) -> Subgroup:
        """What was done to the deployment for this class."""
        known = self.subgroups.get(class_id, Subgroup())
        return known if self.recall_reason is None else replace(known, is_canceled=True)

    @property
    def times(self) -> Times:
        """The part of the precedence that tells older from newer."""
        return self.starts_at, self.created_at, self.workflow_id

    @property
    def precedence(self) -> Precedence:
        """What makes one deployment decide over another: the greater one does.

        Within a group, time decides among equal priorities; a device's own goes before all.
        """
        return (self.is_own, self.priority, *self.times)

    def to_fan_out(self) -> Deployment:
        """The deployment, its devices to be looked at again."""
        return replace(self, is_fanned_out=False, fan_out_until="")

    def canceled(self, class_id: str) -> Deployment:
        """The deployment, cancelled for one class."""
        return self._with_subgroup(class_id, replace(self.subgroup(class_id), is_canceled=True))

    def recalled(self, reason: str) -> Deployment:
        """The deployment, cancelled for every class because its update was recalled."""
        return replace(self, recall_reason=reason).to_fan_out()

    def retried(self, class_id: str, now: str) -> Deployment:
        """The deployment, tried again on the devices of one class where it failed, or fails on its
        way now; where it has failed nowhere, only the wish is noted.

        Args:
            class_id: The class.
            now: ISO 8601, UTC.

        Raises:
            Conflict: It is cancelled for the class.
        """
        if self.subgroup(class_id).is_canceled:
            raise Conflict(
                f"Deployment '{self.deployment_id}' is cancelled for this device class; "
                "create a new deployment instead.",
                target="deploymentId",
            )
        return self._with_subgroup(class_id, replace(self.subgroup(class_id), retry_timestamp=now))

    def deleted(self, class_id: str) -> Deployment:
        """The deployment without one class.

        An older one may come into force for the class again, but only for devices that were asked
        for nothing newer: see `reconcile.wanted`.
        """
        return self._with_subgroup(class_id, replace(self.subgroup(class_id), is_deleted=True))

    def renewed(self, edition: int, revoked_edition: int) -> Deployment:
        """The deployment, handing out signatures of a newer edition of the keyring.

        Args:
            edition: The keyring's.
            revoked_edition: The newest edition that followed on a revocation: what was handed out
                before has to be asked for again as a new workflow.
        """
        is_refused = self.issue.edition < revoked_edition
        issue = SignatureGeneration(edition, edition if is_refused else self.issue.workflow)
        return replace(self, issue=issue).to_fan_out()

    def _with_subgroup(self, class_id: str, subgroup: Subgroup) -> Deployment:
        return replace(self, subgroups={**self.subgroups, class_id: subgroup}).to_fan_out()


type Change = Callable[[Deployment], Deployment]


def check_deployment_id(deployment_id: str) -> str:
    """The id, if it is a legal one.

    Raises:
        InvalidInput: It is empty, too long, or holds upper case or a forbidden character.
    """
    if (
        len(deployment_id) > MAX_DEPLOYMENT_ID
        or not _DEPLOYMENT_ID.fullmatch(deployment_id)
        or deployment_id in (".", "..")  # a URL would lose them
        or not deployment_id.isprintable()
        or not is_short_in_key(deployment_id)
    ):
        raise InvalidInput(
            f"A deployment id has 1 to {MAX_DEPLOYMENT_ID} characters, all lower case and none of "
            '& ^ [ ] { } | < > / \\ " # ? blanks or invisible characters, and is neither . nor ..; '
            "it takes no more than 400 characters where each byte of other letters takes three.",
            target="deploymentId",
        )
    return deployment_id


def in_force(
    deployments: Iterable[Deployment], device_class: DeviceClass, now: str
) -> Deployment | None:
    """The deployment whose word counts for every device of this class: of those that have started
    and reach everybody, the one of greatest precedence.

    Args:
        deployments: All of the group.
        device_class: The class asked about.
        now: ISO 8601, UTC, comparable as text with the deployments' times.
    """
    deployments = list(deployments)
    started = [
        item
        for item in deployments
        if item.has_started(now) and item.reaches_everybody and item.targets(device_class)
    ]
    newest = max(started, key=lambda item: item.precedence, default=None)
    return (rollback_for(newest, deployments, device_class, now) or newest) if newest else None


def rollback_for(
    deployment: Deployment, deployments: Iterable[Deployment], device_class: DeviceClass, now: str
) -> Deployment | None:
    """The rollback that has taken devices of a class back from a deployment; None if none has."""
    found = [
        item
        for item in deployments
        if item.undoes == deployment.workflow_id
        and item.has_started(now)
        and item.targets(device_class)
    ]
    return max(found, key=lambda item: item.precedence, default=None)


def state_for(
    deployment: Deployment, deployments: Iterable[Deployment], device_class: DeviceClass, now: str
) -> DeploymentState:
    """State of a deployment for one class; one that has not started yet is active in waiting, and
    so is one that a newer roll-out has taken only some devices from.
    """
    if deployment.subgroup(device_class.class_id).is_canceled or deployment.is_final:
        return DeploymentState.CANCELED
    others = list(deployments)
    newest = in_force(others, device_class, now)
    superseded = newest is not None and newest.precedence > deployment.precedence
    superseded = superseded or rollback_for(deployment, others, device_class, now) is not None
    return DeploymentState.INACTIVE if superseded else DeploymentState.ACTIVE


def is_active(
    deployment: Deployment,
    deployments: Iterable[Deployment],
    classes: Iterable[DeviceClass],
    now: str,
) -> bool:
    """Whether devices may still be asked to run it.

    Args:
        deployment: The deployment.
        deployments: All of its group.
        classes: All of the instance: one that has no device in the group yet may get some.
        now: ISO 8601, UTC.
    """
    others = list(deployments)
    states = {
        state_for(deployment, others, item, now) for item in classes if deployment.targets(item)
    }
    return DeploymentState.ACTIVE in states or (not states and deployment.recall_reason is None)
