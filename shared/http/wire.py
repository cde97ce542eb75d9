"""Domain objects as the JSON of the REST API; names and shapes are those of the published API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from shared.domain.compliance import Compliance, StateCounts
from shared.domain.deployment import Deployment
from shared.domain.device import DEFAULT_GROUP, DeviceRecord, view
from shared.domain.operation import Operation
from shared.domain.scan import Verdict
from shared.domain.update import Update, UpdateFile
from shared.domain.update_id import UpdateId
from shared.http.problems import error_body
from shared.ports import KnownClass, Stored

type Json = dict[str, Any]

_SCAN_RESULTS = {"clean": "Success", "malicious": "Malicious"}


def path(instance: str, *segments: str, **query: str) -> str:
    """A relative address below an instance; segments are escaped."""
    escaped = "/".join(quote(segment, safe="") for segment in segments)
    return f"/deviceUpdate/{quote(instance, safe='')}/{escaped}" + (
        f"?{urlencode(query, quote_via=quote)}" if query else ""
    )


def etag(stored: Stored[Any]) -> str:
    """An ETag as the API has it: short, quoted, and without what it is made of."""
    digest = hashlib.sha256(stored.etag.encode()).hexdigest()[:16]
    return f'"{digest}"'


def update_info(update_id: UpdateId, update: Update | None = None) -> Json:
    """`UpdateInfo`."""
    return _without_none(
        updateId=update_id.to_wire(),
        description=update.description if update else None,
        friendlyName=update.friendly_name if update else None,
    )


def update(stored: Stored[Update]) -> Json:
    """`Update`."""
    item = stored.value
    return _without_none(
        updateId=item.update_id.to_wire(),
        description=item.description,
        friendlyName=item.friendly_name,
        isDeployable=item.is_deployable,
        compatibility=[dict(entry) for entry in item.compatibility],
        instructions={"steps": [dict(step) for step in item.steps]},
        referencedBy=[parent.to_wire() for parent in item.referenced_by] or None,
        scanResult=_scan_result(*(file.verdict for file in item.files)),
        manifestVersion=item.manifest_version,
        importedDateTime=item.imported_at,
        createdDateTime=item.created_at,
        etag=etag(stored),
    )


def update_file(file: UpdateFile, tag: str) -> Json:
    """`UpdateFile`."""
    return _without_none(
        fileId=file.file_id,
        **_file_base(file),
        relatedFiles=[_file_base(item) for item in file.related_files] or None,
        downloadHandler={"id": file.download_handler} if file.download_handler else None,
        etag=tag,
    )


def operation(instance: str, stored: Stored[Operation], api_version: str) -> Json:
    """`UpdateOperation`, with the stage and the bytes done in addition."""
    item = stored.value
    update_id = item.update_id
    succeeded = item.kind == "import" and item.status == "Succeeded" and update_id
    return _without_none(
        operationId=item.operation_id,
        status=item.status.value,
        update=update_info(update_id) if update_id else None,
        resourceLocation=(
            update_path(instance, update_id, api_version) if succeeded and update_id else None
        ),
        error=error_body(item.failure, item.changed_at) if item.failure else None,
        traceId=item.trace_id,
        lastActionDateTime=item.changed_at,
        createdDateTime=item.created_at,
        etag=etag(stored),
        stage=item.stage.value,
        bytesDone=item.bytes_done,
        bytesTotal=item.bytes_total,
    )


def update_path(instance: str, update_id: UpdateId, api_version: str) -> str:
    """Where an update is read."""
    return path(
        instance,
        "updates",
        "providers",
        update_id.provider,
        "names",
        update_id.name,
        "versions",
        update_id.version,
        **{"api-version": api_version},
    )


def device(record: DeviceRecord, *, is_on_latest: bool) -> Json:
    """`Device`."""
    seen = view(record)
    commanded = record.commanded
    return _without_none(
        deviceId=record.device_id,
        moduleId=record.module_id,
        deviceClassId=seen.device_class.class_id if seen.device_class else "",
        groupId=seen.group_id,
        lastAttemptedUpdate=update_info(commanded.update_id) if commanded else None,
        deploymentStatus=seen.state.value if seen.state else None,
        installedUpdate=update_info(seen.installed) if seen.installed else None,
        onLatestUpdate=is_on_latest,
        lastDeploymentId=commanded.deployment_id if commanded else None,
        lastInstallResult=_install_result(record),
    )


def device_class(known: KnownClass) -> Json:
    """`DeviceClass`."""
    item = known.device_class
    properties: Json = {"compatProperties": dict(item.properties)}
    if item.contract_model_id:
        properties["contractModel"] = {
            "id": item.contract_model_id,
            "name": item.contract_model_id.rpartition(":")[2].partition(";")[0],
        }
    return _without_none(
        deviceClassId=item.class_id,
        friendlyName=known.friendly_name,
        deviceClassProperties=properties,
        bestCompatibleUpdate=update_info(known.best_update) if known.best_update else None,
    )


def group(group_id: str, created_at: str, **counts: Any) -> Json:
    """`Group`; `counts` are its counting members."""
    return {
        "groupId": group_id,
        "groupType": "DefaultNoTag" if group_id == DEFAULT_GROUP else "IoTHubTag",
        "createdDateTime": created_at,
        **counts,
    }


def compliance(item: Compliance) -> Json:
    """`UpdateCompliance`."""
    return {
        "totalDeviceCount": item.total,
        "onLatestUpdateDeviceCount": item.on_latest,
        "newUpdatesAvailableDeviceCount": item.new_available,
        "updatesInProgressDeviceCount": item.in_progress,
    }


def deployment(item: Deployment, class_ids: list[str], subgroup: str | None = None) -> Json:
    """`Deployment`; of a whole group it is cancelled when it is so for every class."""
    chosen = [item.subgroup(class_id) for class_id in ([subgroup] if subgroup else class_ids)]
    return _without_none(
        deploymentId=item.deployment_id,
        groupId=item.group_id,
        startDateTime=item.starts_at,
        update=update_info(item.update_id),
        deviceClassSubgroups=class_ids,
        isCanceled=bool(chosen) and all(one.is_canceled for one in chosen),
        isRetried=any(one.retry_timestamp is not None for one in chosen),
        rollbackPolicy=dict(item.rollback_policy) if item.rollback_policy else None,
        isCloudInitiatedRollback=False,
    )


def subgroup_status(
    item: Deployment, class_id: str, state: str, counts: StateCounts, total: int
) -> Json:
    """`DeviceClassSubgroupDeploymentStatus`."""
    return {
        "groupId": item.group_id,
        "deviceClassId": class_id,
        "deploymentState": state,
        "totalDevices": total,
        "devicesInProgressCount": counts.in_progress,
        "devicesCompletedFailedCount": counts.failed,
        "devicesCompletedSucceededCount": counts.succeeded,
        "devicesCanceledCount": counts.canceled,
    }


def _install_result(record: DeviceRecord) -> Json | None:
    report = view(record).report
    if report.result_code is None:
        return None
    return _without_none(
        resultCode=report.result_code,
        extendedResultCode=_signed(report.extended_result_codes),
        resultDetails=report.result_details,
        stepResults=[
            _without_none(
                resultCode=step.result_code,
                extendedResultCode=_signed(step.extended_result_codes),
                resultDetails=step.result_details,
            )
            for step in report.step_results
        ]
        or None,
    )


def _signed(codes: tuple[int, ...]) -> int:
    """The first extended result code, as the signed 32-bit number that the API has."""
    code = codes[0] if codes else 0
    return code - (1 << 32) if code >= 1 << 31 else code


def _file_base(file: UpdateFile) -> Json:
    verdict = file.verdict
    return _without_none(
        fileName=file.filename,
        sizeInBytes=file.size_bytes,
        hashes=dict(file.hashes),
        properties=dict(file.properties) if file.properties else None,
        scanResult=_scan_result(verdict) if verdict else None,
        scanDetails=(
            f"{verdict.engine} {verdict.engine_version}, rules {verdict.rules_version}, "
            f"{verdict.members_scanned} members, {verdict.bytes_scanned} bytes"
            if verdict
            else None
        ),
    )


def _scan_result(*verdicts: Verdict | None) -> str | None:
    words = [_SCAN_RESULTS.get(item.status, item.status) for item in verdicts if item]
    return next((word for word in words if word != "Success"), "Success") if words else None


def _without_none(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def page(items: list[Any], next_link: str | None) -> Mapping[str, Any]:
    """One page of a listing."""
    return {"value": items, **({"nextLink": next_link} if next_link else {})}
