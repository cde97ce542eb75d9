"""Devices, their failures, histories, health and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared.domain.export_order import Export
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.fleet.device_details import details_of
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.export import ExportedFile
from shared.domain.fleet.failure import failure_counted_as, failure_of
from shared.domain.fleet.health import UNHEALTHY, Health
from shared.domain.fleet.listing import InstallResult, ListedDevice
from shared.domain.fleet.log_collection import LogCollection, LogFile
from shared.domain.operation import Operation, OperationStatus
from shared.http import models
from shared.http.wire.common import error, etag, update_info
from shared.ports import Stored


def device_operation(stored: Stored[Operation]) -> models.Operation:
    """A long-running operation on devices."""
    item = stored.value
    return models.Operation(
        operation_id=item.operation_id,
        status=item.status.value,
        error=error(item.failure, item.changed_at) if item.failure else None,
        trace_id=item.trace_id,
        last_action_date_time=item.changed_at,
        created_date_time=item.created_at,
        etag=etag(stored),
        stage=item.stage.value,
        export=models.Export(**_export(item.export)) if item.export else None,
    )


def exported_file(item: ExportedFile) -> models.ExportedFile:
    """The file of an export."""
    return models.ExportedFile(**_export(item.export), link=item.url, size_in_bytes=item.size_bytes)


def _export(item: Export) -> dict[str, Any]:
    return {
        "format": item.format.value,
        "device_count": item.devices,
        "filter": item.text or None,
    }


def device_health(record: DeviceRecord, health: Health) -> models.DeviceHealth:
    """The health of a device."""
    return models.DeviceHealth(
        device_id=record.device_id,
        module_id=record.module_id,
        state=health.state,
        digital_twin_model_id=health.model_id,
        health_checks=[
            models.HealthCheck(check.name, "success" if check.is_passed else "userError")
            for check in health.checks
        ],
    )


def log_collection(item: LogCollection) -> models.LogCollection:
    """A log collection."""
    return models.LogCollection(
        operation_id=item.collection_id,
        device_list=[
            models.DeviceRef(device.device_id, device.module_id) for device in item.devices
        ],
        description=item.description,
        created_date_time=item.created_at,
        last_action_date_time=item.changed_at,
        status=item.status.value,
        device_counts=_device_counts(item),
    )


def _device_counts(item: LogCollection) -> models.LogDeviceCounts:
    counts = Counter(device.status for device in item.devices)
    return models.LogDeviceCounts(
        not_started=counts[OperationStatus.NOT_STARTED],
        running=counts[OperationStatus.RUNNING],
        succeeded=counts[OperationStatus.SUCCEEDED],
        failed=counts[OperationStatus.FAILED],
    )


def log_collection_details(
    item: LogCollection, locations: Mapping[str, str]
) -> models.LogCollectionDetailedStatus:
    """A log collection, device by device; `locations` are those of the logs by device."""
    return models.LogCollectionDetailedStatus(
        operation_id=item.collection_id,
        created_date_time=item.created_at,
        last_action_date_time=item.changed_at,
        status=item.status.value,
        description=item.description,
        device_status=[
            models.LogCollectionDeviceStatus(
                device_id=device.device_id,
                module_id=device.module_id,
                status=device.status.value,
                result_code=None if device.result_code is None else str(device.result_code),
                log_location=locations[device.key],
            )
            for device in item.devices
        ],
    )


def device(item: ListedDevice, *, is_on_latest: bool) -> models.Device:
    """A device."""
    return models.Device(**_members(item, is_on_latest=is_on_latest))


def device_details(
    record: DeviceRecord, item: ListedDevice, *, is_on_latest: bool
) -> models.DeviceDetails:
    """A device with all that is known of it; `item` is what lists show of the record."""
    details = details_of(record)
    return models.DeviceDetails(
        **_members(item, is_on_latest=is_on_latest),
        tags=dict(details.tags),
        compat_properties=dict(details.compat_properties),
        device_properties=dict(details.device_properties),
        health="unhealthy" if item.health == UNHEALTHY else "healthy" if item.health else None,
        workflow=_workflow(record, item),
        connection_changed_date_time=record.connection_at or None,
        agent_started_date_time=record.started_at or None,
    )


def _workflow(record: DeviceRecord, item: ListedDevice) -> models.DeviceWorkflow | None:
    commanded = record.commanded
    if commanded is None or item.state is not DeviceState.IN_PROGRESS:
        return None
    return models.DeviceWorkflow(
        id=commanded.workflow_on_device,
        deployment_id=commanded.deployment_id,
        update=update_info(commanded.update_id),
        retry_count=commanded.retry_count,
        is_cancel=commanded.is_cancel,
        since_date_time=item.working_since or None,
        phase=commanded.label or None,
    )


def _members(item: ListedDevice, *, is_on_latest: bool) -> dict[str, Any]:
    return {
        "device_id": item.device_id,
        "module_id": item.module_id,
        "device_class_id": item.class_id,
        "group_id": item.group_id,
        "last_attempted_update": update_info(item.attempted) if item.attempted else None,
        "deployment_status": item.state.value if item.state else None,
        "installed_update": update_info(item.installed) if item.installed else None,
        "on_latest_update": is_on_latest,
        "last_deployment_id": item.deployment_id,
        "last_install_result": _install_result(item.result) if item.result else None,
        "failure": device_failure(item.state, item.failure_codes, item.refusal),
        "last_contact_date_time": item.heard_at or None,
        "is_connected": item.is_connected,
    }


def device_failure(
    state: DeviceState | None, codes: tuple[int, ...], refusal: str = ""
) -> models.DeviceFailure | None:
    """Why a device has failed; None if it has not. `refusal` is what the hub said, if it did."""
    if state is not DeviceState.FAILED:
        return None
    failure = failure_of(codes, refusal)
    return models.DeviceFailure(failure.code, failure.message, failure.next_step)


def failures(counts: Mapping[str, int]) -> list[models.FailureCount]:
    """Devices by code, the most frequent first."""
    found = []
    for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        failure = failure_counted_as(code)
        found.append(
            models.FailureCount(
                code=failure.code,
                message=failure.message,
                next_step=failure.next_step,
                device_count=count,
            )
        )
    return found


def installation(item: Installation) -> models.Installation:
    """What became of an update on a device."""
    return models.Installation(
        update=update_info(item.update_id),
        state=item.state.value,
        retry_count=item.retry_count,
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        started_date_time=item.started_at or None,
        ended_date_time=item.ended_at or None,
        result_code=item.result_code,
        failure=device_failure(item.state, item.extended_result_codes),
    )


def _install_result(result: InstallResult) -> models.InstallResult:
    return models.InstallResult(
        result_code=result.code,
        extended_result_code=_signed(result.extended_codes),
        result_details=result.details,
        step_results=[
            models.StepResult(
                result_code=step.result_code,
                extended_result_code=_signed(step.extended_result_codes),
                result_details=step.result_details,
            )
            for step in result.steps
        ]
        or None,
    )


def _signed(codes: tuple[int, ...]) -> int:
    """The first extended result code, as the signed 32-bit number that the API has."""
    code = codes[0] if codes else 0
    return code - (1 << 32) if code >= 1 << 31 else code


def log_file(item: LogFile) -> models.LogFile:
    """An uploaded log."""
    return models.LogFile(
        device_id=item.device.device_id,
        module_id=item.device.module_id,
        file_name=item.name,
        last_modified_date_time=item.modified_at,
        link=item.url,
    )
