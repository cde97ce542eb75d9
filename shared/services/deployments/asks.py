"""Tells of asks: each is counted, and those that are followed have spans in their trace."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
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
