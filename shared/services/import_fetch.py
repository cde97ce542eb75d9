"""First stage of an import: manifests and files into quarantine, sizes and hashes checked on the
way.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from shared.contract.encoding import sha256_b64, unb64
from shared.domain.errors import Conflict, DeviceUpdateError, InvalidInput
from shared.domain.import_manifest import (
    FileEntry,
    ImportManifest,
    RelatedFile,
    parse_import_manifest,
)
from shared.domain.import_request import ImportItem, match_files
from shared.domain.limits import Limits, check_import
from shared.domain.operation import ImportSource, Operation, Stage
from shared.domain.topology import SCAN_REQUEST
from shared.ports import (
    Blobs,
    ByteStream,
    Clock,
    Fetcher,
    Operations,
    Queues,
    Sealer,
    Stored,
    Updates,
)
from shared.services.imports import Imports, quarantine_prefix
from shared.services.progress import Progress

MAX_MANIFEST_BYTES = 1 << 20
_PARALLEL_FILES = 4
_DROP_POLL_SECONDS = 5.0


class IncompleteDrop(DeviceUpdateError):
    """Not every file of a dropped manifest has arrived yet."""

    default_code = "DropIncomplete"


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to bring into quarantine. `name` is its blob; file names never become blob names."""

    source: ImportSource
    address: str = field(repr=False)
    entry: FileEntry | RelatedFile
    name: str


@dataclass(slots=True)
class ImportFetch:
    """Brings everything that an import names into quarantine."""

    imports: Imports
    operations: Operations
    updates: Updates
    blobs: Blobs
    queues: Queues
    fetcher: Fetcher
    sealer: Sealer
    clock: Clock
    drop_wait_seconds: float
    limits: Limits = field(default_factory=Limits)

    async def run(self, instance: str, identity: str) -> None:
        """Fetch and verify; then ask for the scan. Running again goes on where it stopped.

        Raises:
            DependencyFailed: A source or the storage failed in a way that may pass.
        """
        stored = await self.imports.unfinished(instance, identity)
        if stored is None or stored.value.stage is not Stage.FETCH:
            return
        operation = stored.value.moved(Stage.FETCH, self.clock.now())
        stored = Stored(operation, await self.operations.save(instance, operation, stored.etag))
        try:
            jobs = await self._plan(instance, operation)
            progress = Progress(self.operations, self.clock, instance, stored)
            await progress.expect(sum(job.entry.size_bytes for job in jobs))
            await self._fetch_all(jobs, progress)
        except IncompleteDrop as error:
            await self._wait_or_fail(instance, operation, error)
            return
        except DeviceUpdateError as error:
            if error.retryable:
                raise
            await self.imports.fail(instance, identity, error)
            return
        # the creation of this blob triggers the scan
        await self.blobs.write(
            "quarantine",
            quarantine_prefix(instance, identity) + SCAN_REQUEST,
            json.dumps([_scan_entry(job) for job in jobs]).encode(),
        )

    async def _plan(self, instance: str, operation: Operation) -> list[_Job]:
        manifests = [
            await self._manifest(instance, operation, index, source)
            for index, source in enumerate(operation.sources)
        ]
        check_import(manifests, self.limits)
        ids = [manifest.update_id for manifest in manifests]
        for manifest in manifests:
            if ids.count(manifest.update_id) > 1:
                raise InvalidInput(
                    f"Update '{manifest.update_id}' stands twice in one import.",
                    code="CannotProcessImportManifest",
                )
            await self._check_ids(instance, operation, manifest)
            await self._check_references(instance, manifest, manifests)
        jobs: list[_Job] = []
        for index, (source, manifest) in enumerate(zip(operation.sources, manifests, strict=True)):
            jobs += await self._jobs(instance, operation, index, source, manifest)
        return jobs

    async def _manifest(
        self, instance: str, operation: Operation, index: int, source: ImportSource
    ) -> ImportManifest:
        name = f"{quarantine_prefix(instance, operation.operation_id)}{index}/manifest.json"
        content = await self.blobs.read("quarantine", name, max_bytes=MAX_MANIFEST_BYTES)
        if content is None:
            content = await self._read_manifest(source)
            await self.blobs.write("quarantine", name, content)
        return parse_import_manifest(content)

    async def _read_manifest(self, source: ImportSource) -> bytes:
        if source.kind == "drop":
            content = await self.blobs.read(
                "imports", source.manifest, max_bytes=MAX_MANIFEST_BYTES
            )
            if content is None:
                raise _cannot_process("CannotDownload", "The dropped manifest is gone.")
            return content
        try:
            content = await self.fetcher.read_small(
                self.sealer.unseal(source.manifest), max_bytes=MAX_MANIFEST_BYTES
            )
        except DeviceUpdateError as error:
            raise _unfetched(error, "CannotProcessImportManifest", "CannotDownload") from error
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
                target="updateId",
            )

    async def _check_references(
        self, instance: str, manifest: ImportManifest, together: Sequence[ImportManifest]
    ) -> None:
        """A parent's children are there or come with it, and have no children: agents go no
        deeper.
        """
        references = {item.update_id: item.references for item in together}
        for child in manifest.references:
            if child not in references:
                known = await self.updates.get(instance, child)
                if known is None:
                    raise _cannot_process(
                        "ReferenceNotFound",
                        f"Update '{manifest.update_id}' refers to '{child}', which is neither "
                        "imported nor part of this import.",
                    )
                references[child] = known.value.references
            if references[child]:
                raise _cannot_process(
                    "NestedReference",
                    f"Update '{manifest.update_id}' refers to '{child}', which refers to others "
                    "itself; only one level is allowed.",
                )

    async def _jobs(
        self,
        instance: str,
        operation: Operation,
        index: int,
        source: ImportSource,
        manifest: ImportManifest,
    ) -> list[_Job]:
        if source.kind == "drop":
            addresses = await self._beside(source.manifest, manifest)
        else:
            sealed = ImportItem("", 0, "", None, tuple(source.files.items()))
            addresses = match_files(manifest, sealed)
        prefix = f"{quarantine_prefix(instance, operation.operation_id)}{index}/"
        return [
            _Job(source, addresses[entry.filename], entry, f"{prefix}{at}")
            for at, entry in enumerate(manifest.all_files)
        ]

    async def _beside(self, manifest_name: str, manifest: ImportManifest) -> dict[str, str]:
        folder = manifest_name.rpartition("/")[0]
        names = {
            entry.filename: f"{folder}/{entry.filename}" if folder else entry.filename
            for entry in manifest.all_files
        }
        missing = [
            filename
            for filename, name in names.items()
            if await self.blobs.metadata("imports", name) is None
        ]
        if missing:
            raise IncompleteDrop(
                f"These files of the manifest have not arrived beside it: {', '.join(missing)}."
            )
        return names

    async def _wait_or_fail(
        self, instance: str, operation: Operation, error: IncompleteDrop
    ) -> None:
        waited = datetime.fromisoformat(self.clock.now()) - datetime.fromisoformat(
            operation.created_at
        )
        if waited.total_seconds() >= self.drop_wait_seconds:
            await self.imports.fail(instance, operation.operation_id, error)
            return
        await self.queues.put(
            "import",
            {"instance": instance, "operation": operation.operation_id},
            delay_seconds=min(_DROP_POLL_SECONDS, self.drop_wait_seconds / 10),
        )

    async def _fetch_all(self, jobs: Sequence[_Job], progress: Progress) -> None:
        limit = asyncio.Semaphore(_PARALLEL_FILES)

        async def fetch(job: _Job) -> None:
            async with limit:
                await self._fetch(job, progress)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_kept(fetch(job))) for job in jobs]
        errors = [error for task in tasks if (error := task.result()) is not None]
        if errors:
            raise errors[0]

    async def _fetch(self, job: _Job, progress: Progress) -> None:
        if await self._is_fetched(job):
            await progress.add(job.entry.size_bytes)
            return
        digest, size = hashlib.sha256(), 0
        sink = self.blobs.open_write("quarantine", job.name)
        try:
            async with aclosing(self._content(job)) as content:
                async for chunk in content:
                    size += len(chunk)
                    if size > job.entry.size_bytes:
                        break
                    digest.update(chunk)
                    await sink.write(chunk)
                    await progress.add(len(chunk))
        except DeviceUpdateError as error:
            raise _unfetched(
                error, "CannotProcessUpdateFile", "ContentFileCannotDownload", job.entry.filename
            ) from error
        _check(job.entry, size, digest.digest())
        await sink.commit({"sha256": digest.hexdigest()})

    async def _is_fetched(self, job: _Job) -> bool:
        known = await self.blobs.metadata("quarantine", job.name)
        return known is not None and known.get("sha256") == unb64(job.entry.sha256).hex()

    def _content(self, job: _Job) -> ByteStream:
        if job.source.kind == "drop":
            return self.blobs.stream("imports", job.address)
        return self.fetcher.stream(self.sealer.unseal(job.address), size_bytes=job.entry.size_bytes)


async def _kept(work: Awaitable[None]) -> DeviceUpdateError | None:
    """The domain error of a file, so that the others are fetched to their end all the same."""
    try:
        await work
    except DeviceUpdateError as error:
        return error
    return None


def _scan_entry(job: _Job) -> dict[str, object]:
    return {
        "blob": job.name,
        "filename": job.entry.filename,
        "sha256": job.entry.sha256,
        "sizeBytes": job.entry.size_bytes,
        "isRelated": isinstance(job.entry, RelatedFile),
    }


def _check(entry: FileEntry | RelatedFile, size: int, digest: bytes) -> None:
    if size != entry.size_bytes:
        found = "more" if size > entry.size_bytes else f"only {size}"
        raise _bad_file(
            "SizeMismatch",
            f"File '{entry.filename}' has {found} bytes, not the {entry.size_bytes} stated.",
            entry.filename,
        )
    if not hmac.compare_digest(digest, unb64(entry.sha256)):
        raise _bad_file(
            "HashMismatch",
            f"File '{entry.filename}' has not the SHA-256 that the manifest states.",
            entry.filename,
        )


def _bad_file(inner_code: str, message: str, filename: str) -> InvalidInput:
    return InvalidInput(
        message,
        code="CannotProcessUpdateFile",
        target=filename,
        inner=InvalidInput(message, code=inner_code, target=filename),
    )


def _cannot_process(inner_code: str, message: str) -> InvalidInput:
    return InvalidInput(
        message,
        code="CannotProcessImportManifest",
        inner=InvalidInput(message, code=inner_code),
    )


def _unfetched(
    error: DeviceUpdateError, code: str, inner_code: str, target: str | None = None
) -> DeviceUpdateError:
    """A fetch error as the API documents it; as retryable as it was."""
    subject = f"File '{target}'" if target else "The import manifest"
    message = f"{subject} cannot be fetched: {error.message}"
    if error.code == "SourceLength":
        inner_code = "SizeMismatch"
    wrapped = InvalidInput(
        message,
        code=code,
        target=target,
        inner=InvalidInput(message, code=inner_code, target=target, inner=error),
    )
    wrapped.retryable = error.retryable
    return wrapped
