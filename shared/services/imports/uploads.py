"""Imports of what a browser or a command has uploaded: no storage of one's own is needed for them.

An upload is a folder of the container `uploads` under an id that nobody can guess. Whoever starts
it gets an address for each file that lets them write it, not read it, for some hours. The upload is
imported as if its files lay anywhere else: fetched, checked against the manifest, scanned. Storage
deletes what is left of it after some days.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contract.encoding import sha256_b64
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.updates.file_name import file_name_violation
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.import_manifest import MAX_MANIFEST_BYTES, parse_import_manifest
from shared.ports import Blobs, Clock
from shared.services.imports.operation import Imports

WRITABLE_HOURS = 4.0
MAX_FILES = 61
"""Ten files with four related files each, and manifests for a parent and ten children."""
MAX_BLOCK_BYTES = 8 << 20
"""What one request of an upload had best hold: little enough to be sent again."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where one file of an upload is to be written."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that may be written to until `expires_at`."""

    upload_id: str
    targets: Sequence[UploadTarget]
    expires_at: str


@dataclass(frozen=True, slots=True)
class UploadedManifest:
    """A manifest among the files of an upload, and the name that people are to see."""

    file_name: str
    friendly_name: str | None = None


@dataclass(slots=True)
class Uploads:
    """Starts uploads, and imports them."""

    blobs: Blobs
    imports: Imports
    clock: Clock

    async def start(self, instance: str, names: Sequence[str]) -> Upload:
        """Begin an upload of files with these names.

        Raises:
            InvalidInput: There are none, too many, or two of one name; or a name is not allowed.
        """
        _check_names(names)
        upload_id = self.clock.fresh_id()
        urls = await asyncio.gather(
            *(
                self.blobs.write_link(
                    "uploads", _blob(instance, upload_id, name), hours=WRITABLE_HOURS
                )
                for name in names
            )
        )
        expires = datetime.fromisoformat(self.clock.now()) + timedelta(hours=WRITABLE_HOURS)
        return Upload(
            upload_id=upload_id,
            targets=[UploadTarget(*pair) for pair in zip(names, urls, strict=True)],
            expires_at=expires.isoformat(),
        )

    async def import_uploaded(
        self, instance: str, upload_id: str, manifests: Sequence[UploadedManifest], trace_id: str
    ) -> str:
        """Start the import of what was uploaded; the id of its operation.

        Raises:
            NotFound: A manifest, or a file that one names, was not uploaded.
            InvalidInput: A manifest is not valid; `details` has every violation.
        """
        if not _ID.fullmatch(upload_id):
            raise NotFound(f"Upload '{upload_id}' does not exist.", target="uploadId")
        items = [await self._item(instance, upload_id, each) for each in manifests]
        return await self.imports.start(instance, items, trace_id)

    async def _item(self, instance: str, upload_id: str, given: UploadedManifest) -> ImportItem:
        name = _blob(instance, upload_id, given.file_name)
        content = await self.blobs.read("uploads", name, max_bytes=MAX_MANIFEST_BYTES)
        if content is None:
            raise _missing(upload_id, [given.file_name])
        manifest = parse_import_manifest(content)
        names = [file.filename for file in manifest.all_files]
        found = await asyncio.gather(
            *(self.blobs.metadata("uploads", _blob(instance, upload_id, each)) for each in names)
        )
        lacking = [each for each, known in zip(names, found, strict=True) if known is None]
        if lacking:
            raise _missing(upload_id, lacking)
        urls = await asyncio.gather(
            *(
                self.blobs.link("uploads", _blob(instance, upload_id, each), each)
                for each in [given.file_name, *names]
            )
        )
        return ImportItem(
            manifest_url=urls[0],
            manifest_size_bytes=len(content),
            manifest_sha256=sha256_b64(content),
            friendly_name=given.friendly_name,
            files=tuple(zip(names, urls[1:], strict=True)),
        )


def _check_names(names: Sequence[str]) -> None:
    if not 1 <= len(names) <= MAX_FILES:
        raise InvalidInput(f"An upload has 1 to {MAX_FILES} files.", target="/files")
    seen: set[str] = set()
    details = []
    for at, name in enumerate(names):
        reason = file_name_violation(name)
        if reason is None and name.casefold() in seen:
            reason = "is named twice"
        seen.add(name.casefold())
        if reason is not None:
            place = f"/files/{at}/name"
            details.append(InvalidInput(f"{place} {reason}", target=place))
    if details:
        raise InvalidInput(
            f"The files of the upload are not valid: {details[0].message}.",
            target=details[0].target,
            details=tuple(details),
        )


def _blob(instance: str, upload_id: str, name: str) -> str:
    return f"{instance}/{upload_id}/{name}"


def _missing(upload_id: str, names: Sequence[str]) -> NotFound:
    details = tuple(
        NotFound(f"{name}: it was not uploaded", code="FileMissing", target=name) for name in names
    )
    return NotFound(
        f"Upload '{upload_id}' lacks files: {', '.join(names[:10])}.",
        code="FileMissing",
        target=names[0],
        details=details,
    )
