"""Brings one file of an import into quarantine, its size and hash checked on the way.

What an earlier try has left there is read back instead of fetched again, and only the rest asked
for. A file that lies in the service's own storage account is copied by the storage and then read
once. Either way nothing counts as fetched whose bytes were not hashed here.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from shared.contract.encoding import unb64
from shared.domain.errors import DeviceUpdateError, InvalidInput, NotFound
from shared.domain.operation import ImportSource
from shared.domain.updates.import_manifest import FileEntry, RelatedFile
from shared.ports import Blobs, BlobSink, Fetcher, Sealer, Staged
from shared.services.imports.attempt import Superseded
from shared.services.imports.progress import Progress

_SOURCE_CHANGED = "SourceChanged"
_WRONG_FILE = "CannotProcessUpdateFile"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file to bring into quarantine. `name` is its blob; file names never become blob names.

    `address` is a sealed URL, or the name of a dropped blob.
    """

    source: ImportSource
    address: str = field(repr=False)
    entry: FileEntry | RelatedFile
    name: str


@dataclass(slots=True)
class FileFetch:
    """Fetches files."""

    blobs: Blobs
    fetcher: Fetcher
    sealer: Sealer

    async def run(self, job: FileJob, progress: Progress) -> None:
        """Fetch a file unless it is there; what is there of it is kept.

        Raises:
            InvalidInput: It is not the file that the manifest states, or cannot be fetched;
                retryable where another try may do.
        """
        known = await self.blobs.metadata("quarantine", job.name)
        if known is not None and known.get("sha256") == unb64(job.entry.sha256).hex():
            await progress.reach(job.name, job.entry.size_bytes)
            return
        try:
            if known is None or not await self._resume(job, progress):
                await self._begin(job, progress)
        except DeviceUpdateError as error:
            raise _as_documented(error, job.entry.filename) from error

    async def _resume(self, job: FileJob, progress: Progress) -> bool:
        """Go on from what is staged; False if that is no part of the file."""
        staged = await self.blobs.staged("quarantine", job.name)
        if staged is None or not _is_part(staged, job.entry):
            return False
        try:
            await self._transfer(job, staged, progress)
        except DeviceUpdateError as error:
            if error.code not in (_SOURCE_CHANGED, _WRONG_FILE):
                raise
            log.info("%s: its source has changed; fetched anew", job.name)
            return False
        return True

    async def _begin(self, job: FileJob, progress: Progress) -> None:
        copied = await (self._copy_drop(job) if job.source.kind == "drop" else self._copy_own(job))
        await self._transfer(job, copied, progress)

    async def _copy_drop(self, job: FileJob) -> Staged:
        known = await self.blobs.metadata("imports", job.address)
        if known is None:
            raise NotFound("It is gone.")
        if int(known["size"]) != job.entry.size_bytes:
            raise _wrong_size(job.entry, int(known["size"]))
        url = await self.blobs.link("imports", job.address)
        return await self._copied(job, url, known["etag"])

    async def _copy_own(self, job: FileJob) -> Staged | None:
        """Have the storage copy what lies in the service's own account."""
        url = self.sealer.unseal(job.address)
        if not self.blobs.is_own(url):
            return None
        # the copy is made in our name: whoever gave the URL must be able to read it without us
        source = self.fetcher.stream(url, size_bytes=job.entry.size_bytes)
        async with aclosing(source):
            async for _ in source:
                break
        return await self._copied(job, url, source.etag) if source.etag else None

    async def _copied(self, job: FileJob, url: str, etag: str) -> Staged:
        await self.blobs.stage_copy(url, etag, "quarantine", job.name)
        return Staged(job.entry.size_bytes, etag, ())

    async def _transfer(self, job: FileJob, staged: Staged | None, progress: Progress) -> None:
        """Read what is staged, fetch the rest, and finish the blob if the whole is right."""
        size, digest = 0, hashlib.sha256()
        sink = self.blobs.open_write("quarantine", job.name, staged)
        try:
            async with aclosing(self._content(job, staged, sink)) as content:
                async for chunk in content:
                    size += len(chunk)
                    digest.update(chunk)
                    await progress.reach(job.name, min(size, job.entry.size_bytes))
            if size != job.entry.size_bytes:
                raise _wrong_size(job.entry, size)
            if not hmac.compare_digest(digest.digest(), unb64(job.entry.sha256)):
                raise _wrong_file(
                    "HashMismatch", "has not the SHA-256 that the manifest states.", job.entry
                )
            await sink.commit({"sha256": digest.hexdigest()})
        finally:
            await sink.close()

    async def _content(
        self, job: FileJob, staged: Staged | None, sink: BlobSink
    ) -> AsyncGenerator[bytes]:
        """The file from its beginning; what is not staged goes to the sink as it comes."""
        done, source = 0, None
        if staged is not None:
            source = staged.source
            async with aclosing(self.blobs.stream("quarantine", job.name)) as stored:
                async for chunk in stored:
                    done += len(chunk)
                    yield chunk
            if done >= job.entry.size_bytes:
                return
        url = self.sealer.unseal(job.address)
        rest = self.fetcher.stream(url, size_bytes=job.entry.size_bytes, offset=done, etag=source)
        async with aclosing(rest):
            async for chunk in rest:
                done += len(chunk)
                if done <= job.entry.size_bytes:
                    sink.source = rest.etag
                    await sink.write(chunk)
                yield chunk
                if done > job.entry.size_bytes:
                    return


def _is_part(staged: Staged, entry: FileEntry | RelatedFile) -> bool:
    if staged.size_bytes == entry.size_bytes:
        return True
    return bool(staged.blocks) and staged.size_bytes < entry.size_bytes


def _wrong_size(entry: FileEntry | RelatedFile, size: int) -> InvalidInput:
    found = "more" if size > entry.size_bytes else f"only {size}"
    return _wrong_file(
        "SizeMismatch", f"has {found} bytes, not the {entry.size_bytes} stated.", entry
    )


def _wrong_file(inner_code: str, what: str, entry: FileEntry | RelatedFile) -> InvalidInput:
    message = f"File '{entry.filename}' {what}"
    return InvalidInput(
        message,
        code=_WRONG_FILE,
        target=entry.filename,
        inner=InvalidInput(message, code=inner_code, target=entry.filename),
    )


def _as_documented(error: DeviceUpdateError, filename: str) -> DeviceUpdateError:
    if isinstance(error, Superseded) or error.code == _WRONG_FILE:
        return error
    return wrap_fetch_error(error, _WRONG_FILE, "ContentFileCannotDownload", filename)


def wrap_fetch_error(
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
