"""What a device row remembers when the device is given a command.

A row keeps the last workflows that its device moved on from, and the last ask that the device gave
a sign of: with them a device never goes back to what it has answered, and no row has to be looked
for to know that it was never asked something before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.domain.fleet.command import Answered, DeviceCommand, PastAsk, past_name, precedence_of
from shared.domain.fleet.device import DeviceRecord, evidence_of, is_cancelling, outcome_of
from shared.domain.instant import later
from shared.domain.rollouts.figures import Outcome

CANCEL_DEADLINE = timedelta(days=1)
"""How long a device that was told to stop is waited for."""
_KEPT = 8


def given(record: DeviceRecord, command: DeviceCommand, now: str) -> DeviceRecord:
    """The device with a command that its twin has yet to be given.

    Args:
        record: The device.
        command: What it is to do.
        now: ISO 8601, UTC.
    """
    current = record.commanded
    is_ask = not command.is_cancel
    if is_ask:
        command = replace(command, refusal="", refused_at="")
    if current is not None and current.workflow_id == command.workflow_id:
        if is_ask and (command.ask, command.retry_timestamp) != (
            current.ask,
            current.retry_timestamp,
        ):
            command = replace(command, asked_at=max(now, command.retry_timestamp or ""))
        return replace(record, commanded=command, is_pending=True)
    command = replace(command, at=now, asked_at=now)
    if current is None:
        past = () if record.past is None and not record.evidence else record.past
        return replace(record, commanded=command, is_pending=True, past=past)
    moved = PastAsk(past_name(current.workflow_id), has_answered(record))
    known = [item for item in record.past or () if item.workflow != moved.workflow]
    if command.home != current.home:
        known = [replace(item, is_answered=False) for item in known]
        moved = replace(moved, is_answered=False)
    return replace(
        record,
        commanded=command,
        is_pending=True,
        past=None if record.past is None else (*known, moved)[-_KEPT:],
        answered=answered_by(record),
    )


def refused(record: DeviceRecord, reason: str, now: str) -> DeviceRecord:
    """The device after the hub has refused its command for good: nobody goes on trying.

    Args:
        record: The device.
        reason: What the hub says.
        now: ISO 8601, UTC.
    """
    assert record.commanded is not None
    command = replace(record.commanded, refusal=reason, refused_at=now)
    return replace(record, commanded=command, is_pending=False)


def has_answered(record: DeviceRecord) -> bool:
    """Whether the device has given a sign of its command. That it reports a withdrawn one as
    cancelled is none: it says so of what it has never seen.
    """
    known = evidence_of(record)
    return known is not None and outcome_of(record) is not Outcome.WITHDRAWN


def answered_by(record: DeviceRecord) -> Answered | None:
    """The last ask that the device gave a sign of."""
    current = record.commanded
    if current is None or not has_answered(record):
        return record.answered
    return Answered(*current.home, current.workflow_id, precedence_of(current))


def may_have_past(record: DeviceRecord | None, workflow_id: str) -> bool:
    """Whether the device may have been asked to run a workflow and moved on from it since."""
    if record is None:
        return False
    if record.past is None:
        return True
    name = past_name(workflow_id)
    return len(record.past) >= _KEPT or any(item.workflow == name for item in record.past)


def is_overdue(record: DeviceRecord, now: str) -> bool:
    """Whether a device should have been looked at by now: its twin may not have got what its row
    says, it was told to stop and has been waited for long enough, it was heard after its command
    was withdrawn, or something was ordered for it since it was last asked.
    """
    current = record.commanded
    wishes = [order.at for order in record.orders]
    wishes += [max(each.starts_at, each.created_at) for each in record.own]
    asked_at = current.stamp if current is not None else ""
    if any(asked_at < at <= now for at in wishes):
        return True
    if current is None:
        return False
    is_late = later(current.canceled_at or current.stamp, CANCEL_DEADLINE) <= now
    is_stopping_late = is_cancelling(record) and is_late
    return record.is_pending or is_stopping_late or is_heard_since_withdrawal(record)


def is_heard_since_withdrawal(record: DeviceRecord) -> bool:
    """Whether the device has shown that it lives after its command was withdrawn."""
    current = record.commanded
    if current is None or outcome_of(record) is not Outcome.WITHDRAWN:
        return False
    return max(record.heard_at, record.connection_at) > current.withdrawn_at
