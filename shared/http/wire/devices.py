"""Devices, their failures, histories, health and logs."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.fleet.device import DeviceRecord, DeviceState, evidence_of, view
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.failure import failure_counted_as, failure_of
from shared.domain.fleet.health import Health
from shared.domain.fleet.log_collection import LogCollection, LogFile
from shared.domain.operation import Operation
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
    )


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


def device(record: DeviceRecord, *, is_on_latest: bool) -> models.Device:
    """A device."""
    seen = view(record)
    commanded = record.commanded
    return models.Device(
        device_id=record.device_id,
        module_id=record.module_id,
        device_class_id=seen.device_class.class_id if seen.device_class else "",
        group_id=seen.group_id,
        last_attempted_update=update_info(commanded.update_id) if commanded else None,
        deployment_status=seen.state.value if seen.state else None,
        installed_update=update_info(seen.installed) if seen.installed else None,
        on_latest_update=is_on_latest,
        last_deployment_id=commanded.deployment_id if commanded else None,
        last_install_result=_install_result(record),
        failure=_failure(record, seen.state),
        last_contact_date_time=record.heard_at or None,
        is_connected=record.is_connected if record.connection_sequence else None,
    )


def _failure(record: DeviceRecord, state: DeviceState | None) -> models.DeviceFailure | None:
    """Why a device has failed, with what the hub said where it refused the command."""
    known = evidence_of(record)
    failure = device_failure(state, known.extended_result_codes if known else ())
    if failure is None or record.commanded is None or not record.commanded.refusal:
        return failure
    message = f"{failure.message} {record.commanded.refusal}"
    return models.DeviceFailure(failure.code, message, failure.next_step)


def device_failure(
    state: DeviceState | None, codes: tuple[int, ...]
) -> models.DeviceFailure | None:
    """Why a device has failed; None if it has not."""
    if state is not DeviceState.FAILED:
        return None
    failure = failure_of(codes)
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


def _install_result(record: DeviceRecord) -> models.InstallResult | None:
    report = view(record).report
    if report.result_code is None:
        return None
    return models.InstallResult(
        result_code=report.result_code,
        extended_result_code=_signed(report.extended_result_codes),
        result_details=report.result_details,
        step_results=[
            models.StepResult(
                result_code=step.result_code,
                extended_result_code=_signed(step.extended_result_codes),
                result_details=step.result_details,
            )
            for step in report.step_results
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
