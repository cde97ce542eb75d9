"""Updates, their files and the operations that import them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from shared.http.models.common import Count, Error, Model, UpdateId, UpdateInfo
from shared.http.models.devices import Export


class Instructions(Model):
    """The steps of an update, as in its import manifest."""

    steps: list[dict[str, Any]]


class UpdateRecall(Model):
    """Why an update was taken back. Additional."""

    reason: str
    recalled_date_time: str


class RecallInput(Model):
    """Why an update is to be taken back. Additional."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


class DeltaInput(Model):
    """From which version of an update a delta is to be made. Additional."""

    source_version: Annotated[str, Meta(min_length=1, max_length=64)]


class DeltaOutcome(Model):
    """What came of a file when deltas were made. Additional.

    `reason` says why there is no delta; `deltaSizeInBytes` may be given then too.
    """

    file_name: str
    size_in_bytes: int
    delta_size_in_bytes: int | None = None
    reason: str | None = None


class UpdateSignature(Model):
    """Which key signed the manifest of an update, and when. Additional."""

    key_id: str
    signed_date_time: str


class Update(Model):
    """An update; from `recall` on, members are additional. One that was recalled is not deployable.

    `fileCount` and `sizeInBytes` are of its payloads and related files, without those of children.
    """

    update_id: UpdateId
    is_deployable: bool
    compatibility: list[dict[str, str]]
    instructions: Instructions
    manifest_version: str
    imported_date_time: str
    created_date_time: str
    etag: str
    description: str | None = None
    friendly_name: str | None = None
    referenced_by: list[UpdateId] | None = None
    scan_result: str | None = None
    recall: UpdateRecall | None = None
    warnings: list[str] | None = None
    file_count: Count = 0
    size_in_bytes: Count = 0
    signature: UpdateSignature | None = None


class ScanVerdict(Model):
    """What one malware scanner said of a file. Additional."""

    engine: str
    engine_version: str
    rules_version: str
    result: str
    members_scanned: Count
    bytes_scanned: Count
    names: list[str] | None = None
    member_path: str | None = None
    reason: str | None = None


class UpdateFileBase(Model):
    """A related file of an update's file. `scanVerdicts` is additional."""

    file_name: str
    size_in_bytes: int
    hashes: dict[str, str]
    scan_result: str | None = None
    scan_details: str | None = None
    scan_verdicts: list[ScanVerdict] | None = None
    properties: dict[str, Any] | None = None


class DownloadHandler(Model):
    """Who makes the file from a related file on the device."""

    id: str


class UpdateFile(UpdateFileBase, kw_only=True):
    """A file of an update."""

    file_id: str
    etag: str
    related_files: list[UpdateFileBase] | None = None
    download_handler: DownloadHandler | None = None


class ManifestSource(Model):
    """Where an import manifest is fetched from, and what it must be."""

    url: Annotated[str, Meta(min_length=1, max_length=8192)]
    size_in_bytes: Annotated[int, Meta(ge=1, le=1 << 20)]
    hashes: dict[str, str]


class FileSource(Model):
    """Where a file is fetched from."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    url: Annotated[str, Meta(min_length=1, max_length=8192)]


class ImportUpdateInputItem(Model):
    """One update to import."""

    import_manifest: ManifestSource
    friendly_name: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    files: Annotated[list[FileSource], Meta(max_length=50)] | None = None


class Operation(Model):
    """A long-running operation; what follows `error` is additional.

    `filesScanned` of `filesTotal` counts up while an import is scanned; `missingFiles` and
    `missingUpdates` are what a dropped manifest waits for, `awaitedFiles` those on which a scanner
    has told nothing yet, `warnings` what to know of what was imported. `deltas` says what came of
    each file when deltas were made.
    """

    operation_id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    created_date_time: str
    last_action_date_time: str
    etag: str
    trace_id: str | None = None
    update: UpdateInfo | None = None
    resource_location: str | None = None
    error: Error | None = None
    stage: str | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    files_scanned: int | None = None
    files_total: int | None = None
    missing_files: list[str] | None = None
    missing_updates: list[UpdateId] | None = None
    awaited_files: list[str] | None = None
    warnings: list[str] | None = None
    export: Export | None = None
    deltas: list[DeltaOutcome] | None = None
