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
from shared.domain.fleet.device_class import DeviceClass, is_compatible
from shared.domain.rollouts.progress import Progress
from shared.domain.rollouts.specification import Rollout
from shared.domain.updates.update_id import UpdateId

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


@dataclass(frozen=True, slots=True)
class Issue:
    """Which signature devices are handed, by edition of the keyring.

    `workflow` is the edition since which devices see a new workflow, because they refuse what was
    signed before; 0 if there is none.
    """

    edition: int = 0
    workflow: int = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One update for one group.

    `workflow_id` is what devices see; it is new for every deployment, even one that takes the id of
    a deleted one. `starts_at` and `created_at` are ISO 8601 in UTC. A rollback
    (`is_rollback`) is one that the service made itself, for `only_class_id`. One whose update was
    recalled (`recall_reason`) is cancelled for every class, also for those to come. `is_started`
    and `is_finished` say that this was told to customers, `events` what is still to be told.

    One with a `rollout` reaches its devices step by step; `progress` says where it stands.
    `revision` counts what operators have asked for: it moves with the specification and with their
    actions, never with what devices report. `author` is the object id of who created it.
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
    issue: Issue = Issue()
    is_started: bool = False
    is_finished: bool = False
    events: tuple[DomainEvent, ...] = ()
    rollout: Rollout | None = None
    progress: Progress | None = None
    revision: int = 1
    author: str = ""

    @property
    def seed(self) -> str:
        """What orders the devices of its roll-out."""
        return (self.rollout.seed if self.rollout else None) or self.workflow_id

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


@dataclass(frozen=True, slots=True)
class Commanded:
    """What a device was last asked to do, and as member of which group and class.

    `file_ids` are those whose links stand in the twin since. `retry_count` is how often it was
    asked again after a failure, `precedence` that of the deployment, `at` when it was first asked.
    """

    workflow_id: str
    retry_timestamp: str | None
    is_cancel: bool
    deployment_id: str
    group_id: str
    class_id: str
    update_id: UpdateId
    file_ids: tuple[str, ...] = ()
    issue: Issue = Issue()
    retry_count: int = 0
    precedence: tuple[str, str, str] = ("", "", "")
    at: str = ""

    @property
    def workflow_on_device(self) -> str:
        """The workflow id that the device sees and reports."""
        edition = self.issue.workflow
        return f"{self.workflow_id}.{edition}" if edition else self.workflow_id


type Change = Callable[[Deployment], Deployment]


def check_deployment_id(deployment_id: str) -> str:
    """The id, if it is a legal one.

    Raises:
        InvalidInput: It is empty, too long, or holds upper case or a forbidden character.
    """
    if len(deployment_id) > MAX_DEPLOYMENT_ID or not _DEPLOYMENT_ID.fullmatch(deployment_id):
        raise InvalidInput(
            f"A deployment id has 1 to {MAX_DEPLOYMENT_ID} characters, all lower case and none of "
            '& ^ [ ] { } | < > / \\ " # ? or blanks.',
            target="deploymentId",
        )
    return deployment_id


def in_force(
    deployments: Iterable[Deployment], device_class: DeviceClass, now: str
) -> Deployment | None:
    """The deployment whose word counts for devices of this class: the newest that has started.

    Args:
        deployments: All of the group.
        device_class: The class asked about.
        now: ISO 8601, UTC, comparable as text with the deployments' times.
    """
    started = [item for item in deployments if item.starts_at <= now and item.targets(device_class)]
    return max(started, key=precedence, default=None)


def state_for(
    deployment: Deployment, deployments: Iterable[Deployment], device_class: DeviceClass, now: str
) -> DeploymentState:
    """State of a deployment for one class; one that has not started yet is active in waiting."""
    if deployment.subgroup(device_class.class_id).is_canceled:
        return DeploymentState.CANCELED
    newest = in_force(deployments, device_class, now)
    superseded = newest is not None and precedence(newest) > precedence(deployment)
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


def cancel(deployment: Deployment, class_id: str) -> Deployment:
    """The deployment, cancelled for one class."""
    return _with_subgroup(
        deployment, class_id, replace(deployment.subgroup(class_id), is_canceled=True)
    )


def recalled(deployment: Deployment, reason: str) -> Deployment:
    """The deployment, cancelled for every class because its update was recalled."""
    return replace(deployment, recall_reason=reason, is_fanned_out=False)


def retry(deployment: Deployment, class_id: str, failed: int, now: str) -> Deployment:
    """The deployment, tried again on the devices of one class where it failed.

    Args:
        deployment: The deployment.
        class_id: The class.
        failed: How many devices of the class it has failed on.
        now: ISO 8601, UTC.

    Raises:
        Conflict: It is cancelled for the class, or has failed on none of its devices.
    """
    if deployment.subgroup(class_id).is_canceled:
        raise Conflict(
            f"Deployment '{deployment.deployment_id}' is cancelled for this device class; "
            "create a new deployment instead.",
            target="deploymentId",
        )
    if not failed:
        raise Conflict(
            f"Deployment '{deployment.deployment_id}' has failed on no device of this class; "
            "there is nothing to try again.",
            target="deploymentId",
        )
    return _with_subgroup(
        deployment, class_id, replace(deployment.subgroup(class_id), retry_timestamp=now)
    )


def renewed(deployment: Deployment, edition: int, revoked_edition: int) -> Deployment:
    """The deployment, handing out signatures of a newer edition of the keyring.

    Args:
        deployment: The deployment.
        edition: The keyring's.
        revoked_edition: The newest edition that followed on a revocation: what was handed out
            before has to be asked for again as a new workflow.
    """
    is_refused = deployment.issue.edition < revoked_edition
    issue = Issue(edition, edition if is_refused else deployment.issue.workflow)
    return replace(deployment, issue=issue, is_fanned_out=False)


def precedence(deployment: Deployment) -> tuple[str, str, str]:
    """What makes a deployment newer than another; the last part only settles a tie."""
    return deployment.starts_at, deployment.created_at, deployment.workflow_id


def delete(deployment: Deployment, class_id: str) -> Deployment:
    """The deployment without one class.

    An older one may come into force for the class again, but only for devices that were asked for
    nothing newer: see `reconcile.wanted`.
    """
    return _with_subgroup(
        deployment, class_id, replace(deployment.subgroup(class_id), is_deleted=True)
    )


def _with_subgroup(deployment: Deployment, class_id: str, subgroup: Subgroup) -> Deployment:
    return replace(
        deployment,
        subgroups={**deployment.subgroups, class_id: subgroup},
        is_fanned_out=False,
    )
