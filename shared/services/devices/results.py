"""Tells of devices that have ended what they were asked: how long it took, and how."""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.fleet.counters import outcome_in
from shared.domain.fleet.device import DeviceState
from shared.ports import DeviceWrite, Telemetry
from shared.signals import FAILED, SUCCEEDED, Facts, Metric, Span

_RESULTS = {DeviceState.SUCCEEDED: SUCCEEDED, DeviceState.FAILED: FAILED}


def tell_results(telemetry: Telemetry, instance: str, writes: Iterable[DeviceWrite]) -> None:
    """Count what has ended; where the ask is followed, its span ends now.

    Args:
        telemetry: Whom to tell.
        instance: The instance.
        writes: What was written of its devices.
    """
    if not telemetry.is_on:
        return
    for write in writes:
        state, command = write.becomes.state, write.after.commanded
        result = _RESULTS.get(state) if state is not None else None
        is_new = write.was is None or write.was.state is not state
        if result is None or command is None or not is_new:
            continue
        codes = outcome_in(write.after, command).extended_result_codes
        code = f"{codes[0]:08x}" if codes and result == FAILED else ""
        telemetry.record(Metric.DEVICE_RESULTS, instance=instance, result=result, code=code)
        if command.traceparent:
            facts: Facts = {
                "instance": instance,
                "device": write.after.key,
                "group": command.group_id,
                "deployment": command.deployment_id,
                "workflow": command.workflow_id,
                "update": str(command.update_id),
            }
            with telemetry.span(
                Span.DEVICE_RUNS_UPDATE,
                parent=command.traceparent,
                began=command.asked_at or command.at,
                **facts,
            ) as told:
                told.add(result=result, code=code)
