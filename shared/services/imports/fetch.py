"""First stage of an import: manifests and files into quarantine, sizes and hashes checked on the
way.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared import messages
from shared.contract.encoding import sha256_b64
from shared.domain.errors import Conflict, DeviceUpdateError, InvalidInput, NotFound
from shared.domain.limits import Limits, check_import
from shared.domain.operation import ImportSource, Operation, Stage
from shared.domain.updates.import_item import ImportItem, match_files
from shared.domain.updates.import_manifest import ImportManifest, RelatedFile, parse_import_manifest
from shared.domain.updates.update_id import UpdateId
from shared.ports import Blobs, Clock, Fetcher, Operations, Queues, Sealer, Updates
from shared.services.imports.attempt import ImportAttempt, Superseded
from shared.services.imports.compatibility import Families
from shared.services.imports.file_fetch import FileFetch, FileJob, wrap_fetch_error
from shared.services.imports.operation import Imports
from shared.services.imports.progress import Progress
from shared.services.imports.scan_entry import ScanEntry
from shared.services.scanning.evidence import Evidence
from shared.topology import SCAN_REQUEST, quarantine_prefix

MAX_MANIFEST_BYTES = 1 << 20
_PARALLEL_FILES = 4
_DROP_POLL_SECONDS = 5.0


class IncompleteDrop(DeviceUpdateError):
    """Not everything that a dropped manifest needs has arrived yet: `files` by their names, and
    `updates` that it refers to.
    """

    default_code = "DropIncomplete"

    def __init__(
        self, files: Sequence[str], updates: Sequence[UpdateId], wait_seconds: float
    ) -> None:
        missing = []
        if files:
            missing.append(
                f"These files of the manifest have not arrived beside it: {', '.join(files)}."
            )
        if updates:
            names = ", ".join(map(str, updates))
            missing.append(f"These updates that it refers to are not published: {names}.")
        missing.append(f"The limit import_drop_wait_seconds is {wait_seconds:g}.")
        super().__init__(" ".join(missing))
        self.files, self.updates = tuple(files), tuple(updates)


@dataclass(slots=True)
class ImportFetch:
    """Brings everything that an import names into quarantine."""

    imports: Imports
    operations: Operations
    updates: Updates
    blobs: Blobs
    evidence: Evidence
    queues: Queues
    fetcher: Fetcher
    sealer: Sealer
    families: Families
    clock: Clock
    drop_wait_seconds: float
    limits: Limits = field(default_factory=Limits)

    @property
    def files(self) -> FileFetch:
        """Fetches the single file."""
        return FileFetch(self.blobs, self.fetcher, self.sealer)

    async def run(self, instance: str, identity: str) -> None:
        """Fetch and verify; then ask for the scan. Running again goes on where it stopped.

        Raises:
            DependencyFailed: A source or the storage failed in a way that may pass.
        """
        await self.imports.work(instance, identity, Stage.FETCH, self._run)

    async def _run(self, attempt: ImportAttempt) -> None:
        entries = await self.bring(attempt)
        if entries is not None:
            await self.ask_for_scan(attempt, entries)

    async def bring(self, attempt: ImportAttempt) -> list[ScanEntry] | None:
        """Fetch everything; what there is to scan, or None where a drop has to wait for more."""
        try:
            jobs = await self._plan(attempt)
        except IncompleteDrop as error:
            await self._wait(attempt, error)
            return None
        progress = Progress(attempt)
        await progress.begin(sum(job.entry.size_bytes for job in jobs), len(jobs))
        await self._fetch_all(jobs, progress)
        return [_scan_entry(job) for job in jobs]

    async def ask_for_scan(self, attempt: ImportAttempt, entries: Sequence[ScanEntry]) -> None:
        """Write down what there is to scan: the creation of this blob triggers it."""
        prefix = quarantine_prefix(attempt.instance, attempt.operation.operation_id)
        await self.evidence.write(prefix + SCAN_REQUEST, entries)

    async def _plan(self, attempt: ImportAttempt) -> list[FileJob]:
        instance, operation = attempt.instance, attempt.operation
        manifests, digests = [], []
        for index, source in enumerate(operation.sources):
            with _error_target(index, operation):
                manifest, digest = await self._manifest(instance, operation, index, source)
                manifests.append(manifest)
                digests.append(digest)
        operation = await _held_to(attempt, digests)
        if operation.update_id != manifests[0].update_id:  # so that a failure names its update
            operation = await attempt.save(update_id=manifests[0].update_id)
        check_import(manifests, self.limits)
        await self._check_current(operation)
        ids = [manifest.update_id for manifest in manifests]
        for manifest in manifests:
            if ids.count(manifest.update_id) > 1:
                raise InvalidInput(
                    f"Update '{manifest.update_id}' stands twice in one import.",
                    code="DuplicateContentImport",
                    target="/updateId",
                )
            await self._check_ids(instance, operation, manifest)
        await self.families.claim(
            instance, {manifest.update_id: manifest.compatibility for manifest in manifests}
        )
        jobs: list[FileJob] = []
        for index, (source, manifest) in enumerate(zip(operation.sources, manifests, strict=True)):
            with _error_target(index, operation):
                absent = await self._absent_children(instance, manifest, manifests)
                addresses = await self._addresses(source, manifest, absent)
                jobs += _jobs(instance, operation, index, manifest, addresses)
        return jobs

    async def _manifest(
        self, instance: str, operation: Operation, index: int, source: ImportSource
    ) -> tuple[ImportManifest, str]:
        """A manifest and its hash."""
        name = f"{quarantine_prefix(instance, operation.operation_id)}{index}/manifest.json"
        content = await self.blobs.read("quarantine", name, max_bytes=MAX_MANIFEST_BYTES)
        if content is None or source.manifest_sha256 not in (None, sha256_b64(content)):
            content = await self._read_manifest(source)
            await self.blobs.write("quarantine", name, content)
        return parse_import_manifest(content), sha256_b64(content)

    async def _read_manifest(self, source: ImportSource) -> bytes:
        try:
            if source.kind == "drop":
                return await self._read_dropped(source)
            content = await self.fetcher.read_small(
                self.sealer.unseal(source.manifest), max_bytes=MAX_MANIFEST_BYTES
            )
        except DeviceUpdateError as error:
            raise wrap_fetch_error(
                error, "CannotProcessImportManifest", "CannotDownload"
            ) from error
        if source.manifest_size_bytes not in (None, len(content)):
            raise _cannot_process(
                "SizeMismatch",
                f"The import manifest has {len(content)} bytes, not the "
                f"{source.manifest_size_bytes} stated.",
            )
        if source.manifest_sha256 is not None and not hmac.compare_digest(
            sha256_b64(content), source.manifest_sha256
        ):
            raise _cannot_process(
                "HashMismatch", "The import manifest's SHA-256 is not the one stated."
            )
        return content

    async def _read_dropped(self, source: ImportSource) -> bytes:
        content = await self.blobs.read("imports", source.manifest, max_bytes=MAX_MANIFEST_BYTES)
        if content is None:
            raise NotFound("It is gone.")
        return content

    async def _check_current(self, operation: Operation) -> None:
        for source in operation.sources:
            if source.kind == "drop" and await self.imports.is_replaced(source):
                raise Conflict(
                    "The manifest was dropped again; that is an import of its own.",
                    code="DropReplaced",
                )

    async def _check_ids(
        self,
        instance: str,
        operation: Operation,
        manifest: ImportManifest,
    ) -> None:
        known = await self.updates.get(instance, manifest.update_id)
        if known is not None and known.value.operation_id != operation.operation_id:
            raise Conflict(
                f"Update '{manifest.update_id}' exists already; versions cannot be replaced.",
                code="UpdateAlreadyExists",
                target="/updateId",
            )

    async def _absent_children(
        self, instance: str, manifest: ImportManifest, together: Sequence[ImportManifest]
    ) -> list[UpdateId]:
        """Which children neither are there nor come with their parent.

        The others must have no children: agents go no deeper.
        """
        references = {item.update_id: item.references for item in together}
        absent = []
        for child in manifest.references:
            if child not in references:
                known = await self.updates.get(instance, child)
                if known is None:
                    absent.append(child)
                    continue
                if known.value.recall is not None:
                    raise _cannot_process(
                        "ReferenceRecalled",
                        f"Update '{manifest.update_id}' refers to '{child}', which was recalled: "
                        f"{known.value.recall.reason}",
                    )
                references[child] = known.value.references
            if references[child]:
                raise _cannot_process(
                    "NestedReference",
                    f"Update '{manifest.update_id}' refers to '{child}', which refers to others "
                    "itself; only one level is allowed.",
                )
        return absent

    async def _addresses(
        self, source: ImportSource, manifest: ImportManifest, absent: Sequence[UpdateId]
    ) -> dict[str, str]:
        """Where each file is.

        Raises:
            IncompleteDrop: A file or a child of a dropped manifest is still to come.
            InvalidInput: The request does not fit the manifest, or lacks a child of it.
        """
        if source.kind == "drop":
            names = _sibling_blobs(source.manifest, manifest)
            missing = [
                filename
                for filename, name in names.items()
                if await self.blobs.metadata("imports", name) is None
            ]
            if missing or absent:
                raise IncompleteDrop(missing, absent, self.drop_wait_seconds)
            return names
        if absent:
            raise _cannot_process(
                "ReferenceNotFound",
                f"Update '{manifest.update_id}' refers to '{absent[0]}', which is neither "
                "imported nor part of this import.",
            )
        return match_files(
            manifest,
            ImportItem(
                manifest_url="",
                manifest_size_bytes=0,
                manifest_sha256="",
                friendly_name=None,
                files=tuple(source.files.items()),
            ),
        )

    async def _wait(self, attempt: ImportAttempt, error: IncompleteDrop) -> None:
        """Look again later; say beside the manifest what is missing.

        Raises:
            IncompleteDrop: It was waited for long enough.
        """
        operation = attempt.operation
        waited = datetime.fromisoformat(self.clock.now()) - datetime.fromisoformat(
            operation.created_at
        )
        if waited.total_seconds() >= self.drop_wait_seconds:
            raise error
        waiting = replace(operation, missing=error.files, missing_updates=error.updates)
        if waiting != operation:
            await self.imports.report_drop(waiting)
        await attempt.save(missing=error.files, missing_updates=error.updates, tries=0)
        await self.queues.put(
            messages.FetchImport(instance=attempt.instance, operation=operation.operation_id),
            delay_seconds=min(_DROP_POLL_SECONDS, self.drop_wait_seconds / 10),
        )

    async def _fetch_all(self, jobs: Sequence[FileJob], progress: Progress) -> None:
        limit = asyncio.Semaphore(_PARALLEL_FILES)

        async def fetch(job: FileJob) -> None:
            async with limit:
                await self.files.run(job, progress)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_capture_error(fetch(job))) for job in jobs]
        await progress.end()
        errors = [error for task in tasks if (error := task.result()) is not None]
        if errors:
            raise next((error for error in errors if isinstance(error, Superseded)), errors[0])


async def _held_to(attempt: ImportAttempt, digests: Sequence[str]) -> Operation:
    """The import with the hash of each manifest, for no other may be published in its place."""
    sources = tuple(
        replace(source, manifest_sha256=digest)
        for source, digest in zip(attempt.operation.sources, digests, strict=True)
    )
    if sources == attempt.operation.sources:
        return attempt.operation
    return await attempt.save(sources=sources)


@contextmanager
def _error_target(index: int, operation: Operation) -> Iterator[None]:
    """Have errors point at the item of the request, where it has several."""
    try:
        yield
    except DeviceUpdateError as error:
        if len(operation.sources) > 1 and error.target is None:
            error.target = f"/{index}"
        raise


async def _capture_error(work: Awaitable[None]) -> DeviceUpdateError | None:
    """The domain error of a file, so that the others are fetched to their end all the same."""
    try:
        await work
    except DeviceUpdateError as error:
        return error
    return None


def _sibling_blobs(manifest_name: str, manifest: ImportManifest) -> dict[str, str]:
    """The blob of each file of a dropped manifest."""
    folder = manifest_name.rpartition("/")[0]
    return {
        entry.filename: f"{folder}/{entry.filename}" if folder else entry.filename
        for entry in manifest.all_files
    }


def _jobs(
    instance: str,
    operation: Operation,
    index: int,
    manifest: ImportManifest,
    addresses: Mapping[str, str],
) -> list[FileJob]:
    source = operation.sources[index]
    prefix = f"{quarantine_prefix(instance, operation.operation_id)}{index}/"
    return [
        FileJob(source, addresses[entry.filename], entry, f"{prefix}{at}")
        for at, entry in enumerate(manifest.all_files)
    ]


def _scan_entry(job: FileJob) -> ScanEntry:
    return ScanEntry(
        blob=job.name,
        filename=job.entry.filename,
        sha256=job.entry.sha256,
        size_bytes=job.entry.size_bytes,
        is_related=isinstance(job.entry, RelatedFile),
    )


def _cannot_process(inner_code: str, message: str) -> InvalidInput:
    return InvalidInput(
        message,
        code="CannotProcessImportManifest",
        inner=InvalidInput(message, code=inner_code),
    )
