"""What one ask of a device is: what it is counted and followed by, and what rows say of it.

Each is counted, and those that are followed have spans in their trace.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.domain.updates.update_id import UpdateId
from shared.ports import Telemetry
from shared.services.deployments.bucket_pass import BucketPass
from shared.signals import Metric, Span


def followed(
    run: BucketPass,
    record: DeviceRecord,
    command: DeviceCommand,
    deployment: Deployment | None,
    telemetry: Telemetry,
) -> str:
    """Trace context for a command: that of the first ask for as long as the workflow is."""
    before = record.commanded
    if before is not None and before.workflow_id == command.workflow_id:
        return before.traceparent
    return run.follow(deployment, telemetry.traceparent)


def asking(
    telemetry: Telemetry, instance: str, device: str, command: DeviceCommand
) -> AbstractContextManager[Any]:
    """The time in which a twin is patched."""
    telemetry.record(Metric.DEVICE_ASKS, instance=instance)
    if not command.traceparent:
        return nullcontext()
    return telemetry.span(
        Span.ASK_DEVICE,
        "client",
        parent=command.traceparent,
        instance=instance,
        device=device,
        group=command.group_id,
        deployment=command.deployment_id,
        workflow=command.workflow_id,
    )


def asks_for(record: DeviceRecord, update_id: UpdateId) -> bool:
    """Whether the device was last asked for an update, and that stands."""
    current = record.commanded
    return current is not None and not current.is_cancel and current.update_id == update_id


def all_files(record: DeviceRecord, command: DeviceCommand) -> tuple[str, ...]:
    """Files whose links may stand in the twin until it is known to be patched."""
    before = record.commanded.file_ids if record.commanded is not None else ()
    return tuple(dict.fromkeys((*before, *command.file_ids)))


def as_written(record: DeviceRecord, command: DeviceCommand) -> DeviceCommand:
    """What the row is to say once the twin is patched."""
    assert record.commanded is not None
    return replace(record.commanded, file_ids=command.file_ids)


def is_answer_to(record: DeviceRecord, command: DeviceCommand) -> bool:
    """Whether the row still waits for the answer to this command."""
    asked = record.commanded
    if asked is None or not record.is_pending:
        return False
    return replace(asked, file_ids=()) == replace(command, file_ids=())
