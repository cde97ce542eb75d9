"""Second stage of an import: the scan that alone lets content out of quarantine. It fails
closed.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.domain.errors import DependencyFailed, InvalidInput, NotFound
from shared.domain.operation import Stage
from shared.domain.scan import Verdict
from shared.domain.topology import SCAN_REQUEST
from shared.ports import Blobs, Clock, Operations, Queues, Scanner
from shared.services.import_try import Try
from shared.services.imports import Imports, quarantine_prefix
from shared.services.progress import Progress

VERDICTS = "verdicts.json"
_BYTES_PER_SECOND = 20 << 20
_LEAST_SECONDS = 120.0
_CODES = {
    "malicious": "SourceFileMalwareDetected",
    "unscannable": "SourceFileUnscannable",
    "error": "SourceFilePendingMalwareAnalysis",
}


class ScanEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One file to scan, as listed by the fetch stage."""

    blob: str
    filename: str
    sha256: str
    size_bytes: int
    is_related: bool = False


class ScannedFile(msgspec.Struct, frozen=True):
    """The verdict on a file, and the ETag of the blob that it is about."""

    etag: str
    verdict: Verdict


@dataclass(slots=True)
class ImportScan:
    """Scans what an import brought into quarantine."""

    imports: Imports
    operations: Operations
    blobs: Blobs
    queues: Queues
    scanner: Scanner
    clock: Clock

    async def run(self, instance: str, identity: str) -> None:
        """Scan; on a clean verdict for every file ask for publishing, else end the import.

        Raises:
            DependencyFailed: The scanner failed; a later try may succeed.
        """
        await self.imports.work(instance, identity, Stage.SCAN, self._run)

    async def _run(self, attempt: Try) -> None:
        prefix = quarantine_prefix(attempt.instance, attempt.operation.operation_id)
        request = await self.blobs.read("quarantine", prefix + SCAN_REQUEST)
        if request is None:
            raise NotFound("The quarantined content is gone; import again.")
        entries = msgspec.json.decode(request, type=list[ScanEntry])
        scanned: dict[str, ScannedFile] = {}
        progress = Progress(attempt)
        async with attempt.kept_alive():
            for entry in entries:
                scanned[entry.blob] = await self._scan(entry)
                await progress.scanned(len(scanned))
        await self.blobs.write(
            "quarantine", prefix + VERDICTS, json.dumps(msgspec.to_builtins(scanned)).encode()
        )
        await attempt.save(stage=Stage.PUBLISH, tries=0, files_scanned=len(scanned))
        await self.queues.put(
            "publish",
            {"instance": attempt.instance, "operation": attempt.operation.operation_id},
        )

    async def _scan(self, entry: ScanEntry) -> ScannedFile:
        """The verdict on a file, which is good.

        Raises:
            InvalidInput: It is not.
            DependencyFailed: There is none.
        """
        etag, verdict = await self._verdict(entry)
        if verdict.status == "error":
            raise DependencyFailed(
                f"File '{entry.filename}' could not be scanned.",
                code=_CODES["error"],
                target=entry.filename,
            )
        if verdict.status != "clean":
            raise _refusal(entry, verdict)
        return ScannedFile(etag, verdict)

    async def _verdict(self, entry: ScanEntry) -> tuple[str, Verdict]:
        with tempfile.TemporaryDirectory(prefix="odu-scan-") as folder:
            path = Path(folder) / "content"
            etag = await self.blobs.download("quarantine", entry.blob, path)
            return etag, await self.scanner.scan(
                path,
                sha256=entry.sha256,
                size_bytes=entry.size_bytes,
                deadline_seconds=_LEAST_SECONDS + entry.size_bytes / _BYTES_PER_SECOND,
                name=entry.filename,
                opaque=entry.is_related,
            )


def _refusal(entry: ScanEntry, verdict: Verdict) -> InvalidInput:
    place = f" at '{verdict.member_path}'" if verdict.member_path else ""
    reason = ", ".join(verdict.names) or verdict.reason
    found = f": {reason}" if reason else ""
    what = "holds malware" if verdict.status == "malicious" else "cannot be scanned"
    message = f"File '{entry.filename}' {what}{place}{found}."
    return InvalidInput(
        message,
        code="CannotProcessUpdateFile",
        target=entry.filename,
        inner=InvalidInput(message, code=_CODES[verdict.status], target=entry.filename),
    )
