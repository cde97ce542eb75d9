"""Brings content out of quarantine."""

from __future__ import annotations

import hashlib

from shared.contract.encoding import b64
from shared.domain.updates.import_manifest import FileEntry, RelatedFile
from shared.domain.updates.update import UpdateFile
from shared.ports import Blobs
from shared.services.scanning.engines import ContentChanged

type Entry = FileEntry | RelatedFile | UpdateFile


async def promote(blobs: Blobs, entry: Entry, source: str, target: str, etag: str) -> None:
    """Copy a quarantined file to the content that is handed out; what is there gets a new ETag.

    Args:
        blobs: The storage.
        entry: The file that it must be.
        source: Its name in quarantine.
        target: Its name in the content.
        etag: Of the very blob that was scanned: no other comes out.

    Raises:
        ContentChanged: It is not what the manifest names, and is gone again.
        ConcurrentUpdate: The quarantined blob is another one by now.
    """
    if not await blobs.touch("content", target):
        await blobs.copy(("quarantine", source), ("content", target), etag=etag)
        await _check(blobs, entry, target)


async def _check(blobs: Blobs, entry: Entry, name: str) -> None:
    """Hash what is handed out from now on: the name and metadata of a blob prove nothing."""
    known = await blobs.metadata("content", name)
    digest = hashlib.sha256()
    async for piece in blobs.stream("content", name):
        digest.update(piece)
    if b64(digest.digest()) == entry.sha256:
        return
    if known is not None:
        await blobs.delete("content", name, known["etag"])
    raise ContentChanged(entry.filename)
