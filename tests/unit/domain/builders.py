"""Devices, what they report and what they are asked, for tests of the domain and the services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.contract.codes import Action, AgentState
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.fleet.deployment import Deployment, DeviceCommand
from shared.domain.fleet.device import (
    DeviceRecord,
    TwinChange,
    fold,
)
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.domain.fleet.twin_content import kept_content
from shared.domain.updates.update_id import UpdateId

V1 = UpdateId("acme", "kiosk", "1.0")
V2 = UpdateId("acme", "kiosk", "2.0")
FITS_KIOSK = ({"manufacturer": "acme", "model": "kiosk"},)
LONG_AGO = "2024-01-01T00:00:00.000000+00:00"


def at_second(second: int) -> str:
    """A time of the hub, comparable as text."""
    return f"2024-05-01T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000000+00:00"


def a_change(
    version: int,
    reported: dict[str, Any] | None = None,
    *,
    group: str | None = "",
    device_id: str = "d1",
    module_id: str | None = None,
    is_whole: bool = False,
    at: str | None = None,
) -> TwinChange:
    """A twin change; an empty group leaves the tag alone, None removes it."""
    twin: dict[str, Any] = {"properties": {"reported": reported or {}}}
    if group != "":
        twin["tags"] = {"ADUGroup": group}
    return TwinChange(
        device_id=device_id,
        module_id=module_id,
        version=version,
        content=kept_content(twin),
        is_whole=is_whole,
        at=at_second(version) if at is None else at,
    )


def started(model: str = "kiosk", manufacturer: str = "acme") -> dict[str, Any]:
    """The report with which an agent introduces its device."""
    return startup_report(manufacturer, model)


def reported(
    state: AgentState,
    code: int,
    workflow_id: str = "w1",
    retry_timestamp: str | None = None,
    installed: UpdateId | None = None,
) -> dict[str, Any]:
    """A report of a state and a result for a workflow."""
    workflow = workflow_member(Action.PROCESS_DEPLOYMENT, workflow_id, retry_timestamp)
    named = ManifestUpdateId(**installed.to_wire()) if installed else None
    return result_report(state, code, workflow=workflow, installed_update_id=named)


def busy(workflow_id: str = "w1", retry_timestamp: str | None = None) -> dict[str, Any]:
    """The report of a workflow that has begun."""
    return reported(AgentState.DEPLOYMENT_IN_PROGRESS, 1, workflow_id, retry_timestamp)


def succeeded(
    installed: UpdateId = V2, workflow_id: str = "w1", retry_timestamp: str | None = None
) -> dict[str, Any]:
    """The report of a workflow that installed an update."""
    return reported(AgentState.IDLE, 700, workflow_id, retry_timestamp, installed)


def failed(
    workflow_id: str = "w1", retry_timestamp: str | None = None, *, erc: int = 0
) -> dict[str, Any]:
    """The report of a workflow that failed."""
    workflow = workflow_member(Action.PROCESS_DEPLOYMENT, workflow_id, retry_timestamp)
    return result_report(AgentState.FAILED, 0, extended_result_codes=[erc], workflow=workflow)


def a_command(
    workflow_id: str = "w1",
    *,
    update_id: UpdateId = V2,
    retry_timestamp: str | None = None,
    is_cancel: bool = False,
    group_id: str = "$default",
    class_id: str = "class",
) -> DeviceCommand:
    """What a device was asked."""
    return DeviceCommand(
        workflow_id=workflow_id,
        retry_timestamp=retry_timestamp,
        is_cancel=is_cancel,
        deployment_id=f"deployment-{workflow_id}",
        group_id=group_id,
        class_id=class_id,
        update_id=update_id,
    )


def a_record(*changes: TwinChange, commanded: DeviceCommand | None = None) -> DeviceRecord:
    """A device after some changes."""
    first = changes[0] if changes else a_change(1)
    record = DeviceRecord(first.device_id, first.module_id, commanded=commanded)
    for change in changes:
        record = fold(record, change)
    return record


def a_deployment(workflow_id: str = "w1", **changes: Any) -> Deployment:
    """A deployment of version 2 to the default group."""
    given: dict[str, Any] = {
        "deployment_id": f"deployment-{workflow_id}",
        "group_id": "$default",
        "update_id": V2,
        "compatibility": FITS_KIOSK,
        "workflow_id": workflow_id,
        "starts_at": LONG_AGO,
        "created_at": LONG_AGO,
    }
    return Deployment(**{**given, **changes})


def wanted(
    record: DeviceRecord, deployments: Iterable[Deployment], now: str
) -> DeviceCommand | None:
    """What the device's twin should be given now."""
    return desired_command(record, by_precedence(deployments), now).command
