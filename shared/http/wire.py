"""Domain objects as the objects of the REST API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from shared.domain.fleet.compliance import Compliance, Connections, StateCounts
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.device import DEFAULT_GROUP, DeviceRecord, DeviceState, evidence_of, view
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.failure import failure_counted_as, failure_of
from shared.domain.fleet.health import Health
from shared.domain.fleet.log_collection import LogCollection
from shared.domain.fleet.recount import Recounted
from shared.domain.operation import Failure, Operation
from shared.domain.refused_events import RefusedEvents
from shared.domain.scanning.scan import Verdict, worst
from shared.domain.updates.update import Update, UpdateFile
from shared.domain.updates.update_id import UpdateId
from shared.http import models
from shared.http.rollout_models import Rollout
from shared.ports import KnownClass, Stored

_SCAN_RESULTS = {"clean": "Success", "malicious": "Malicious"}


def path(instance: str, *segments: str, **query: str) -> str:
    """A relative address below an instance; segments are escaped."""
    escaped = "/".join(quote(segment, safe="") for segment in segments)
    return f"/deviceUpdate/{quote(instance, safe='')}/{escaped}" + (
        f"?{urlencode(query, quote_via=quote)}" if query else ""
    )


def etag(stored: Stored[Any]) -> str:
    """An ETag as the API has it: short, quoted, and without what it is made of."""
    return _tag(stored.etag.encode())


def _operation_etag(item: Operation) -> str:
    """That customers were told of its end changes nothing of an operation."""
    return _tag(msgspec.json.encode(replace(item, events=())))


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def error(failure: Failure, occurred_at: str | None = None) -> models.Error:
    """An error with its details and causes."""
    return models.Error(
        code=failure.code,
        message=failure.message,
        target=failure.target,
        details=[error(item) for item in failure.details] or None,
        innererror=_inner_error(failure.inner) if failure.inner else None,
        occurred_date_time=occurred_at,
    )


def _inner_error(failure: Failure) -> models.InnerError:
    return models.InnerError(
        code=failure.code,
        message=failure.message,
        inner_error=_inner_error(failure.inner) if failure.inner else None,
    )


def update_id(item: UpdateId) -> models.UpdateId:
    """The identity of an update."""
    return models.UpdateId(provider=item.provider, name=item.name, version=item.version)


def update_info(item: UpdateId, update: Update | None = None) -> models.UpdateInfo:
    """An update as others refer to it."""
    return models.UpdateInfo(
        update_id=update_id(item),
        description=update.description if update else None,
        friendly_name=update.friendly_name if update else None,
    )


def update(stored: Stored[Update]) -> models.Update:
    """An update."""
    item = stored.value
    return models.Update(
        update_id=update_id(item.update_id),
        description=item.description,
        friendly_name=item.friendly_name,
        is_deployable=item.is_deployable and item.recall is None,
        compatibility=[dict(entry) for entry in item.compatibility],
        instructions=models.Instructions(steps=[dict(step) for step in item.steps]),
        referenced_by=[update_id(parent) for parent in item.referenced_by] or None,
        scan_result=_scan_result([each for file in item.files for each in file.verdicts]),
        manifest_version=item.manifest_version,
        imported_date_time=item.imported_at,
        created_date_time=item.created_at,
        etag=etag(stored),
        recall=(
            models.UpdateRecall(reason=item.recall.reason, recalled_date_time=item.recall.at)
            if item.recall
            else None
        ),
    )


def update_file(file: UpdateFile, tag: str) -> models.UpdateFile:
    """A file of an update."""
    return models.UpdateFile(
        **_file_base(file),
        file_id=file.file_id,
        related_files=[models.UpdateFileBase(**_file_base(item)) for item in file.related_files]
        or None,
        download_handler=(
            models.DownloadHandler(id=file.download_handler) if file.download_handler else None
        ),
        etag=tag,
    )


def operation(instance: str, stored: Stored[Operation], api_version: str) -> models.Operation:
    """A long-running operation."""
    item = stored.value
    is_imported = item.kind == "import" and item.status == "Succeeded"
    return models.Operation(
        operation_id=item.operation_id,
        status=item.status.value,
        update=update_info(item.update_id) if item.update_id else None,
        resource_location=(
            update_path(instance, item.update_id, api_version)
            if is_imported and item.update_id
            else None
        ),
        error=error(item.failure, item.changed_at) if item.failure else None,
        trace_id=item.trace_id,
        last_action_date_time=item.changed_at,
        created_date_time=item.created_at,
        etag=_operation_etag(item),
        stage=item.stage.value,
        bytes_done=item.bytes_done,
        bytes_total=item.bytes_total,
        files_scanned=item.files_scanned,
        files_total=item.files_total or None,
        missing_files=list(item.missing) or None,
        missing_updates=[update_id(each) for each in item.missing_updates] or None,
        awaited_files=list(item.awaited) or None,
    )


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


def update_path(instance: str, item: UpdateId, api_version: str) -> str:
    """Where an update is read."""
    return path(
        instance,
        "updates",
        "providers",
        item.provider,
        "names",
        item.name,
        "versions",
        item.version,
        **{"api-version": api_version},
    )


def device(record: DeviceRecord, *, is_on_latest: bool) -> models.Device:
    """A device."""
    seen = view(record)
    commanded, known = record.commanded, evidence_of(record)
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
        failure=device_failure(seen.state, known.extended_result_codes if known else ()),
        last_contact_date_time=record.heard_at or None,
        is_connected=record.is_connected if record.connection_sequence else None,
    )


def device_failure(state: DeviceState | None, codes: tuple[int, ...]) -> Any:
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


def connection_health(item: Connections) -> models.ConnectionHealth:
    """What is known of connections."""
    days = sorted(item.heard.items(), reverse=True)
    return models.ConnectionHealth(
        connected_device_count=item.connected,
        disconnected_device_count=item.disconnected,
        unknown_device_count=item.unknown,
        total_device_count=item.total,
        last_contacts=[models.ContactDay(day, count) for day, count in days if day],
    )


def event_health(
    refused: Sequence[RefusedEvents], recounts: Sequence[Recounted]
) -> models.EventHealth:
    """What went wrong on the way of events."""
    drifted = sorted(recounts, key=lambda report: report.drifted_at, reverse=True)
    return models.EventHealth(
        refused_events=[
            models.RefusedEventCount(each.reason.value, each.count, each.last_at)
            for each in refused
        ],
        recounted_bucket_count=len(recounts),
        oldest_recount_date_time=min((report.at for report in recounts), default=None),
        counter_drifts=[
            models.CounterDrift(
                drifted_date_time=report.drifted_at,
                group_id=each.group_id,
                device_class_id=each.class_id,
                counter=each.cell,
                found=each.found,
                counted=each.counted,
            )
            for report in drifted
            for each in report.drift
        ],
    )


def device_class(known: KnownClass) -> models.DeviceClass:
    """A device class."""
    item = known.device_class
    model = item.contract_model_id
    name = model.rpartition(":")[2].partition(";")[0]
    return models.DeviceClass(
        device_class_id=item.class_id,
        friendly_name=known.friendly_name,
        device_class_properties=models.DeviceClassProperties(
            compat_properties=dict(item.properties),
            contract_model=models.ContractModel(id=model, name=name) if model else None,
        ),
        best_compatible_update=update_info(known.best_update) if known.best_update else None,
    )


def group_type(group_id: str) -> Any:
    """Whether a group is made by a tag or by the lack of one."""
    return "DefaultNoTag" if group_id == DEFAULT_GROUP else "IoTHubTag"


def compliance(item: Compliance) -> models.UpdateCompliance:
    """Compliance figures."""
    return models.UpdateCompliance(
        total_device_count=item.total,
        on_latest_update_device_count=item.on_latest,
        new_updates_available_device_count=item.new_available,
        updates_in_progress_device_count=item.in_progress,
    )


def deployment(
    item: Deployment,
    class_ids: list[str],
    subgroup: str | None = None,
    *,
    rollout: Rollout | None = None,
) -> models.Deployment:
    """A deployment; of a whole group it is cancelled when it is so for every class."""
    chosen = [item.subgroup(class_id) for class_id in ([subgroup] if subgroup else class_ids)]
    return models.Deployment(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        start_date_time=item.starts_at,
        update=update_info(item.update_id),
        device_class_subgroups=class_ids,
        is_canceled=bool(chosen) and all(one.is_canceled for one in chosen),
        is_retried=any(one.retry_timestamp is not None for one in chosen),
        rollback_policy=_rollback_policy(item.rollback_policy) if item.rollback_policy else None,
        is_cloud_initiated_rollback=item.is_rollback,
        recall_reason=item.recall_reason,
        etag=deployment_etag(item),
        revision=item.revision,
        rollout=rollout,
    )


def deployment_etag(item: Deployment) -> str:
    """The ETag of a deployment: another for each revision, and after a deletion."""
    return f'"{item.revision}-{hashlib.sha256(item.workflow_id.encode()).hexdigest()[:12]}"'


def _rollback_policy(policy: RollbackPolicy) -> models.RollbackPolicy:
    return models.RollbackPolicy(
        update=update_info(policy.update_id),
        failure=models.RollbackFailure(
            devices_failed_percentage=policy.failed_percentage,
            devices_failed_count=policy.failed_count,
        ),
    )


def subgroup_status(
    item: Deployment,
    class_id: str,
    state: Any,
    counts: StateCounts,
    total: int,
    failed: Mapping[str, int],
) -> models.SubgroupDeploymentStatus:
    """How a deployment stands for one device class."""
    return models.SubgroupDeploymentStatus(
        group_id=item.group_id,
        device_class_id=class_id,
        deployment_state=state,
        total_devices=total,
        devices_in_progress_count=counts.in_progress,
        devices_completed_failed_count=counts.failed,
        devices_completed_succeeded_count=counts.succeeded,
        devices_canceled_count=counts.canceled,
        failures=failures(failed) or None,
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


def _file_base(file: UpdateFile) -> Mapping[str, Any]:
    return {
        "file_name": file.filename,
        "size_in_bytes": file.size_bytes,
        "hashes": dict(file.hashes),
        "properties": dict(file.properties) if file.properties else None,
        "scan_result": _scan_result(file.verdicts),
        "scan_details": "; ".join(
            f"{item.engine} {item.engine_version}, rules {item.rules_version}, "
            f"{item.members_scanned} members, {item.bytes_scanned} bytes"
            for item in file.verdicts
        )
        or None,
        "scan_verdicts": [_verdict(item) for item in file.verdicts] or None,
    }


def _verdict(item: Verdict) -> models.ScanVerdict:
    return models.ScanVerdict(
        engine=item.engine,
        engine_version=item.engine_version,
        rules_version=item.rules_version,
        result=_result(item),
        members_scanned=item.members_scanned,
        bytes_scanned=item.bytes_scanned,
        names=list(item.names) or None,
        member_path=item.member_path,
        reason=item.reason,
    )


def _scan_result(verdicts: Sequence[Verdict]) -> str | None:
    return _result(worst(verdicts)) if verdicts else None


def _result(verdict: Verdict) -> str:
    return _SCAN_RESULTS.get(verdict.status, verdict.status)
