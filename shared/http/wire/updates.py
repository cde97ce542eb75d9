"""Updates, files and operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from shared.domain.instant import with_offset
from shared.domain.operation import Operation
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.delta_outcome import DeltaOutcome
from shared.domain.updates.update import Update, UpdateFile
from shared.domain.updates.update_filter import scan_result, scan_result_of, worst_result
from shared.http import models
from shared.http.wire.common import error, etag, tag_of, update_id, update_info, update_path
from shared.ports import Stored


def _operation_etag(item: Operation) -> str:
    """That customers were told of its end changes nothing of an operation."""
    return tag_of(msgspec.json.encode(replace(item, events=())))


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
        scan_result=scan_result_of(item),
        manifest_version=item.manifest_version,
        imported_date_time=item.imported_at,
        created_date_time=with_offset(item.created_at),
        etag=etag(stored),
        recall=(
            models.UpdateRecall(reason=item.recall.reason, recalled_date_time=item.recall.at)
            if item.recall
            else None
        ),
        warnings=list(item.warnings) or None,
        file_count=len(item.all_files),
        size_in_bytes=sum(file.size_bytes for file in item.all_files),
        signature=(
            models.UpdateSignature(
                key_id=item.signature_record.kid, signed_date_time=item.signature_record.signed_at
            )
            if item.signature_record
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
    is_imported = item.kind in ("import", "delta") and item.status == "Succeeded"
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
        warnings=list(item.warnings) or None,
        deltas=[_delta_outcome(each) for each in item.deltas] or None,
    )


def _delta_outcome(item: DeltaOutcome) -> models.DeltaOutcome:
    return models.DeltaOutcome(
        file_name=item.filename,
        size_in_bytes=item.size_bytes,
        delta_size_in_bytes=item.delta_bytes,
        reason=item.reason,
    )


def _file_base(file: UpdateFile) -> Mapping[str, Any]:
    return {
        "file_name": file.filename,
        "size_in_bytes": file.size_bytes,
        "hashes": dict(file.hashes),
        "properties": dict(file.properties) if file.properties else None,
        "scan_result": worst_result(file.verdicts),
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
        result=scan_result(item.status),
        members_scanned=item.members_scanned,
        bytes_scanned=item.bytes_scanned,
        names=list(item.names) or None,
        member_path=item.member_path,
        reason=item.reason,
    )
