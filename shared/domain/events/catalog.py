"""Every event that the service tells the systems of its customers, and what each holds.

None holds what a device says in words of its own, an address or a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from shared.domain.domain_event import DomainEvent, EventKind
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, DeviceState, deployment_state, evidence_of
from shared.domain.fleet.failure import failure_of
from shared.domain.operation import Operation
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.transition import Step, Transition
from shared.domain.updates.update_id import UpdateId

_ID_CHARACTERS = 32


class EventData(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """Base of the data of all events."""


class UpdateReference(EventData):
    """Identity of an update."""

    provider: str
    name: str
    version: str


class UpdateImported(EventData):
    """An update can be deployed, or serve as a part of others."""

    update: UpdateReference
    operation_id: str


class UpdateRefused(EventData):
    """An import has ended without an update: `code` and `message` are those of its operation."""

    operation_id: str
    code: str
    message: str


class UpdateRecalled(EventData):
    """An update must not be used any more."""

    update: UpdateReference
    reason: str


class DeploymentStarted(EventData):
    """Devices are asked for the update from now on."""

    deployment_id: str
    group_id: str
    update: UpdateReference
    is_rollback: bool


class DeploymentFinished(EventData):
    """No device is left that the deployment waits for. This is told once: devices that join later
    and retries open it again, but only their own events follow. Devices that a newer deployment
    took over before they had ended count as superseded.
    """

    deployment_id: str
    group_id: str
    update: UpdateReference
    succeeded_device_count: int
    failed_device_count: int
    canceled_device_count: int
    superseded_device_count: int


class DeploymentCanceled(EventData):
    """An operator has cancelled the deployment for one device class."""

    deployment_id: str
    group_id: str
    device_class_id: str
    update: UpdateReference


class RolloutChanged(EventData):
    """A transition of a roll-out, as in its history: who did it (`service` where no operator did),
    the status before and after, and why. `phase` is the index of the open phase, left out before
    the first; `figures` are the devices that were counted then, by what became of them.
    """

    deployment_id: str
    group_id: str
    update: UpdateReference
    step: Step
    actor: str
    revision: int
    status: Status
    previous_status: Status | None = None
    phase: int | None = None
    phase_name: str | None = None
    code: ReasonCode | None = None
    message: str | None = None
    figures: dict[str, int] | None = None


class DeviceSucceeded(EventData):
    """A device has the update of its deployment."""

    device_id: str
    group_id: str
    device_class_id: str
    deployment_id: str
    update: UpdateReference
    retry_count: int
    module_id: str | None = None


class DeviceFailed(EventData):
    """A device has failed in its deployment: `code` is its extended result code, eight hexadecimal
    digits, with a sentence and what to do next. Where the hub refused the command, its own words
    end the sentence.
    """

    device_id: str
    group_id: str
    device_class_id: str
    deployment_id: str
    update: UpdateReference
    retry_count: int
    code: str
    message: str
    next_step: str
    module_id: str | None = None


DATA: Mapping[EventKind, type[EventData]] = {
    EventKind.UPDATE_IMPORTED: UpdateImported,
    EventKind.UPDATE_REFUSED: UpdateRefused,
    EventKind.UPDATE_RECALLED: UpdateRecalled,
    EventKind.DEPLOYMENT_STARTED: DeploymentStarted,
    EventKind.DEPLOYMENT_FINISHED: DeploymentFinished,
    EventKind.DEPLOYMENT_CANCELED: DeploymentCanceled,
    EventKind.ROLLOUT_CHANGED: RolloutChanged,
    EventKind.DEVICE_SUCCEEDED: DeviceSucceeded,
    EventKind.DEVICE_FAILED: DeviceFailed,
}
"""What the `data` of each type is."""


def source_of(instance: str) -> str:
    """The `source` of an instance's events: where its API is."""
    return f"/deviceUpdate/{quote(instance, safe='')}"


def update_imported(instance: str, update_id: UpdateId, operation: Operation) -> DomainEvent:
    """An update was imported by an operation that has ended."""
    data = UpdateImported(update=_reference(update_id), operation_id=operation.operation_id)
    facts = (instance, operation.operation_id, str(update_id))
    return _event(data, EventKind.UPDATE_IMPORTED, facts, _update(update_id), operation.changed_at)


def update_refused(instance: str, operation: Operation) -> DomainEvent:
    """An import has failed."""
    failure = operation.failure
    assert failure is not None
    data = UpdateRefused(
        operation_id=operation.operation_id, code=failure.code, message=failure.message
    )
    subject = _path("updates", "operations", operation.operation_id)
    facts = (instance, operation.operation_id)
    return _event(data, EventKind.UPDATE_REFUSED, facts, subject, operation.changed_at)


def update_recalled(instance: str, update_id: UpdateId, reason: str, at: str) -> DomainEvent:
    """An update was recalled; `reason` is the operator's, `at` when it was decided."""
    data = UpdateRecalled(update=_reference(update_id), reason=reason)
    facts = (instance, str(update_id), at)
    return _event(data, EventKind.UPDATE_RECALLED, facts, _update(update_id), at)


def deployment_started(instance: str, item: Deployment, at: str) -> DomainEvent:
    """A deployment has begun to ask devices."""
    data = DeploymentStarted(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        update=_reference(item.update_id),
        is_rollback=item.is_rollback,
    )
    facts = (instance, item.workflow_id)
    return _event(data, EventKind.DEPLOYMENT_STARTED, facts, _deployment(item), at)


def deployment_finished(
    instance: str, item: Deployment, counts: Mapping[DeviceState, int], at: str
) -> DomainEvent:
    """A deployment has finished, with so many devices in each state."""
    data = DeploymentFinished(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        update=_reference(item.update_id),
        succeeded_device_count=counts.get(DeviceState.SUCCEEDED, 0),
        failed_device_count=counts.get(DeviceState.FAILED, 0),
        canceled_device_count=counts.get(DeviceState.CANCELED, 0),
        superseded_device_count=counts.get(DeviceState.IN_PROGRESS, 0),
    )
    facts = (instance, item.workflow_id)
    return _event(data, EventKind.DEPLOYMENT_FINISHED, facts, _deployment(item), at)


def deployment_canceled(instance: str, item: Deployment, class_id: str, at: str) -> DomainEvent:
    """A deployment was cancelled for a device class."""
    data = DeploymentCanceled(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        device_class_id=class_id,
        update=_reference(item.update_id),
    )
    facts = (instance, item.workflow_id, class_id)
    return _event(data, EventKind.DEPLOYMENT_CANCELED, facts, _deployment(item), at)


def rollout_changed(instance: str, item: Deployment, made: Transition) -> DomainEvent | None:
    """A transition has led to this deployment; None if it is not one of a roll-out."""
    rollout, after = item.rollout, made.after
    if rollout is None or after is None:
        return None
    is_open = 0 <= made.phase < len(rollout.phases)
    data = RolloutChanged(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        update=_reference(item.update_id),
        step=made.step,
        actor=made.actor,
        revision=made.revision,
        status=after,
        previous_status=made.before,
        phase=made.phase if is_open else None,
        phase_name=rollout.phase_name(made.phase) if is_open else None,
        code=made.code,
        message=made.message or None,
        figures=dict(made.figures) or None,
    )
    facts = (instance, item.workflow_id, made.step, made.at)
    return _event(data, EventKind.ROLLOUT_CHANGED, facts, _deployment(item), made.at)


def device_ended(
    instance: str, before: DeviceRecord | None, after: DeviceRecord
) -> DomainEvent | None:
    """What a change of a device has to tell: that it now has succeeded, or failed, where it had
    not before.
    """
    end = _end(after)
    if end is None or (before is not None and end == _end(before)):
        return None
    commanded, known = after.commanded, evidence_of(after)
    assert commanded is not None
    assert known is not None
    about: dict[str, Any] = {
        "device_id": after.device_id,
        "module_id": after.module_id,
        "group_id": commanded.group_id,
        "device_class_id": commanded.class_id,
        "deployment_id": commanded.deployment_id,
        "update": _reference(commanded.update_id),
        "retry_count": commanded.retry_count,
    }
    path = ["management", "devices", after.device_id]
    subject = _path(*path, *(["modules", after.module_id] if after.module_id else []))
    facts = (instance, after.key, *end)
    if end[0] is DeviceState.SUCCEEDED:
        data: EventData = DeviceSucceeded(**about)
        at = known.installed_at(commanded.update_id)
        return _event(data, EventKind.DEVICE_SUCCEEDED, facts, subject, at)
    failure = failure_of(known.extended_result_codes, commanded.refusal)
    data = DeviceFailed(
        **about, code=failure.code, message=failure.message, next_step=failure.next_step
    )
    return _event(data, EventKind.DEVICE_FAILED, facts, subject, known.at)


def _end(record: DeviceRecord) -> tuple[DeviceState, str, str, str] | None:
    """How the device has ended what it was last asked for; which device of that name it is, too."""
    state, commanded = deployment_state(record), record.commanded
    if commanded is None or state not in (DeviceState.SUCCEEDED, DeviceState.FAILED):
        return None
    return (
        state,
        commanded.workflow_on_device,
        commanded.retry_timestamp or "",
        record.deleted_at,
    )


def _event(
    data: EventData, kind: EventKind, facts: tuple[str, ...], subject: str, at: str
) -> DomainEvent:
    digest = hashlib.sha256("\n".join((kind, *facts)).encode()).hexdigest()
    return DomainEvent(
        identity=digest[:_ID_CHARACTERS],
        kind=kind,
        subject=subject,
        at=at,
        data=msgspec.to_builtins(data),
    )


def _reference(item: UpdateId) -> UpdateReference:
    return UpdateReference(provider=item.provider, name=item.name, version=item.version)


def _update(item: UpdateId) -> str:
    return _path(
        "updates", "providers", item.provider, "names", item.name, "versions", item.version
    )


def _deployment(item: Deployment) -> str:
    return _path("management", "groups", item.group_id, "deployments", item.deployment_id)


def _path(*segments: str) -> str:
    return "/".join(quote(segment, safe="") for segment in segments)
