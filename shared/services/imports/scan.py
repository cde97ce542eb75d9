"""Second stage of an import and of a delta: the scan that alone lets content out of quarantine. It
fails closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared import messages
from shared.contract.encoding import unb64
from shared.domain.errors import DependencyFailed, InvalidInput, NotFound
from shared.domain.operation import Stage
from shared.domain.scanning.scan import Knowledge, Verdict, worst
from shared.ports import Blobs, Clock, Operations, Queues, Sample
from shared.services.imports.attempt import ImportAttempt
from shared.services.imports.operation import Imports
from shared.services.imports.progress import Progress
from shared.services.imports.scan_entry import ScanEntry
from shared.services.scanning.engines import Judged, Scanning
from shared.services.scanning.evidence import Evidence
from shared.topology import SCAN_REQUEST, quarantine_prefix

VERDICTS = "verdicts.json"
_FIRST_LOOK_SECONDS = 1.0
_LOOK_SECONDS = 30.0
_WRONG_FILE = "CannotProcessUpdateFile"
_CODES = {
    "malicious": "SourceFileMalwareDetected",
    "unscannable": "SourceFileUnscannable",
    "error": "SourceFilePendingMalwareAnalysis",
}


@dataclass(slots=True)
class ImportScan:
    """Scans what an import brought into quarantine."""

    imports: Imports
    operations: Operations
    blobs: Blobs
    evidence: Evidence
    queues: Queues
    scanning: Scanning
    clock: Clock
    wait_seconds: float = 1800.0

    async def run(self, instance: str, identity: str) -> None:
        """Scan; on a clean verdict for every file ask for publishing, else end the import.

        Raises:
            DependencyFailed: The scanner failed; a later try may succeed.
        """
        await self.imports.work(instance, identity, Stage.SCAN, self._run)

    async def _run(self, attempt: ImportAttempt) -> None:
        prefix = quarantine_prefix(attempt.instance, attempt.operation.operation_id)
        entries = await self.evidence.read(prefix + SCAN_REQUEST, list[ScanEntry])
        if entries is None:
            raise NotFound("The quarantined content is gone; import again.")
        if await self.judge(attempt, entries):
            operation = attempt.operation
            kind = messages.MakeDelta if operation.kind == "delta" else messages.PublishImport
            await self.queues.put(kind(instance=attempt.instance, operation=operation.operation_id))

    async def judge(self, attempt: ImportAttempt, entries: Sequence[ScanEntry]) -> bool:
        """Scan what was fetched; whether everything is clean and may be published now."""
        scanned: dict[str, Judged] = {}
        awaited: list[str] = []
        progress = Progress(attempt)
        async with attempt.kept_alive():
            knowledge = await self.scanning.knowledge()
            for entry in entries:
                judged = await self._scan(attempt.instance, entry, knowledge)
                scanned[entry.blob] = judged
                if _is_awaited(judged):
                    awaited.append(entry.filename)
                await progress.scanned(len(scanned) - len(awaited))
        if awaited:
            await self._wait(attempt, awaited, files_scanned=len(scanned) - len(awaited))
            return False
        prefix = quarantine_prefix(attempt.instance, attempt.operation.operation_id)
        await self.evidence.write(prefix + VERDICTS, scanned)
        await attempt.save(stage=Stage.PUBLISH, tries=0, files_scanned=len(scanned), awaited=())
        return True

    async def _wait(
        self, attempt: ImportAttempt, awaited: Sequence[str], files_scanned: int
    ) -> None:
        """Look again later for the verdicts of an engine that tells them in its own time.

        Raises:
            DependencyFailed: They were waited for long enough.
        """
        operation, now = attempt.operation, self.clock.now()
        since = operation.awaited_since or now
        waited = datetime.fromisoformat(now) - datetime.fromisoformat(since)
        left = self.wait_seconds - waited.total_seconds()
        if left <= 0:
            raise _no_verdict(
                f"Within {self.wait_seconds:g} s no scanner's verdict came on "
                f"{', '.join(awaited)}; import again. "
                f"The limit defender_wait_seconds is {self.wait_seconds:g}.",
                awaited[0],
                retryable=False,
            )
        # a verdict that came before this is written has called nobody: the first look is soon
        soon = _FIRST_LOOK_SECONDS if operation.awaited_since is None else _LOOK_SECONDS
        await attempt.save(
            awaited=tuple(awaited), awaited_since=since, files_scanned=files_scanned, tries=0
        )
        await self.queues.put(
            messages.ScanImport(instance=attempt.instance, operation=operation.operation_id),
            delay_seconds=min(soon, left),
        )

    async def _scan(
        self, instance: str, entry: ScanEntry, knowledge: Sequence[Knowledge]
    ) -> Judged:
        """The verdicts on a file: all clean, or not told yet.

        Raises:
            InvalidInput: One is.
            DependencyFailed: An engine failed.
        """
        judged = await self._judge(instance, entry, knowledge)
        verdict = worst(judged.verdicts)
        if verdict.status == "pending":
            verdict = await self.scanning.harm(instance, entry.sha256) or verdict
        if verdict.status == "error":
            raise _no_verdict(
                f"File '{entry.filename}' could not be scanned: {verdict.engine}: "
                f"{verdict.findings}.",
                entry.filename,
                retryable=True,
            )
        if verdict.status not in ("clean", "pending"):
            raise refusal(entry.filename, verdict)
        return judged

    async def _judge(
        self, instance: str, entry: ScanEntry, knowledge: Sequence[Knowledge]
    ) -> Judged:
        known = await self.blobs.metadata("quarantine", entry.blob)
        if known is None:
            raise NotFound("The quarantined content is gone; import again.")
        # what has another hash is looked at, and found out by that
        is_verified = known.get("sha256") == unb64(entry.sha256).hex()
        return await self.scanning.judge(
            instance,
            Sample(
                entry.sha256,
                entry.size_bytes,
                entry.filename,
                may_be_delta=entry.is_related,
                blob=entry.blob,
                etag=known["etag"],
            ),
            lambda path: self.blobs.download("quarantine", entry.blob, path),
            knowledge=knowledge if is_verified else (),
        )


def _is_awaited(judged: Judged) -> bool:
    return worst(judged.verdicts).status == "pending"


def _no_verdict(message: str, filename: str, *, retryable: bool) -> DependencyFailed:
    return DependencyFailed(
        message,
        code=_WRONG_FILE,
        target=filename,
        inner=DependencyFailed(message, code=_CODES["error"], target=filename),
        retryable=retryable,
    )


def refusal(filename: str, verdict: Verdict) -> InvalidInput:
    """The error of an import that a file is not clean of."""
    place = f" at '{verdict.member_path}'" if verdict.member_path else ""
    found = f": {verdict.findings}" if verdict.findings else ""
    what = "holds malware" if verdict.status == "malicious" else "cannot be scanned"
    message = f"File '{filename}' {what}{place}{found}."
    return InvalidInput(
        message,
        code=_WRONG_FILE,
        target=filename,
        inner=InvalidInput(message, code=_CODES[verdict.status], target=filename),
    )
