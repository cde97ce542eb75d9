"""Scans published content again when the engines know more than before.

One file a message: an operation remembers where it is, so that it goes on after a crash, and the
verdicts that hold already cost a read. What is found bad is recalled.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared import messages
from shared.domain.errors import DependencyFailed, DeviceUpdateError, NotFound
from shared.domain.operation import Failure, Operation, OperationStatus, Stage
from shared.domain.scanning.scan import Knowledge, Verdict, worst
from shared.domain.updates.update import Update, UpdateFile, hex_of
from shared.ports import Blobs, Clock, Operations, Queues, Sample, Stored, Updates
from shared.services.operations import operation_id
from shared.services.retrying import retry_on_conflict
from shared.services.scanning.engines import ContentChanged, Scanning
from shared.services.updates.recall import RecallUpdates

KIND: Literal["rescan"] = "rescan"
AGAIN_AFTER = timedelta(hours=1)
"""How long after a re-scan that has failed the next one begins by itself."""

log = logging.getLogger(__name__)


class _Position(NamedTuple):
    """Where a re-scan goes on: a page of one update, which update that was, and its next file."""

    token: str | None = None
    update: str = ""
    file: int = 0


@dataclass(slots=True)
class Rescan:
    """Re-scans, as operations that go on from file to file."""

    instances: Iterable[str]
    operations: Operations
    updates: Updates
    blobs: Blobs
    queues: Queues
    scanning: Scanning
    recalls: RecallUpdates
    clock: Clock

    async def check(self) -> None:
        """Begin a re-scan wherever the last one was made with other rules or engines."""
        known = _digest(await self.scanning.knowledge())
        for instance in self.instances:
            last = await self._last(instance)
            if last is None or (last.is_finished and self._is_due(last, known)):
                await self._begin(instance, known, self.clock.fresh_id())

    async def start(self, instance: str, trace_id: str) -> str:
        """Begin a re-scan; the id of its operation, or of the one that is running."""
        last = await self._last(instance)
        if last is not None and not last.is_finished:
            return last.operation_id
        return await self._begin(instance, _digest(await self.scanning.knowledge()), trace_id)

    async def run(self, instance: str, identity: str, step: int) -> None:
        """Scan one file and ask for the next; a message of a step that is done changes nothing."""
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.is_finished or stored.value.step != step:
            return
        after = await self._step(instance, stored.value)
        await self.operations.save(instance, after, stored.etag)
        if not after.is_finished:
            await self._enqueue(instance, after)

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End a re-scan that cannot go on."""
        stored = await self.operations.get(instance, identity)
        if stored is not None and not stored.value.is_finished:
            failed = stored.value.failed(error, self.clock.now())
            await self.operations.save(instance, failed, stored.etag)

    def _is_due(self, last: Operation, known: str) -> bool:
        if last.subject != known:
            return True
        ended = datetime.fromisoformat(last.changed_at)
        waited = datetime.fromisoformat(self.clock.now()) - ended
        return last.status is OperationStatus.FAILED and waited > AGAIN_AFTER

    async def _last(self, instance: str) -> Operation | None:
        token: str | None = None
        while True:
            page = await self.operations.list(instance, token, size=1, kind=KIND)
            if page.items or page.token is None:
                return page.items[0].value if page.items else None
            token = page.token

    async def _begin(self, instance: str, known: str, trace_id: str) -> str:
        now = self.clock.now()
        operation = Operation(
            operation_id=operation_id(now, self.clock.fresh_id()),
            kind=KIND,
            status=OperationStatus.NOT_STARTED,
            stage=Stage.RESCAN,
            created_at=now,
            changed_at=now,
            trace_id=trace_id,
            subject=known,
        )
        await self.operations.add(instance, operation)
        await self._enqueue(instance, operation)
        return operation.operation_id

    async def _enqueue(self, instance: str, operation: Operation) -> None:
        await self.queues.put(
            messages.RescanStep(
                instance=instance, operation=operation.operation_id, step=operation.step
            )
        )

    async def _step(self, instance: str, operation: Operation) -> Operation:
        """The operation after its next step."""
        at = _Position(*json.loads(operation.position)) if operation.position else _Position()
        page = await self.updates.list(instance, token=at.token, size=1)
        following, error, scanned = _Position(page.token), operation.last_error, 0
        for stored in page.items:
            update = stored.value
            # another update may stand there if one was deleted meanwhile
            number = at.file if at.update == str(update.update_id) else 0
            files = _all_files(update)
            if number < len(files):
                failure = await self._file(instance, update, *files[number])
                error, scanned = failure or error, 1
            if number + 1 < len(files):
                following = _Position(at.token, str(update.update_id), number + 1)
        changes = {
            "step": operation.step + 1,
            "files_scanned": operation.files_scanned + scanned,
            "last_error": error,
        }
        moved = operation.moved(
            Stage.RESCAN, self.clock.now(), position=json.dumps(following), **changes
        )
        return moved if following != _Position() else self._ended(moved)

    def _ended(self, operation: Operation) -> Operation:
        error = operation.last_error
        if error is None:
            return operation.succeeded(None, self.clock.now())
        failed = DependencyFailed(
            f"Not every file could be scanned; the last error: {error.message}", target=error.target
        )
        return operation.failed(failed, self.clock.now())

    async def _file(
        self, instance: str, update: Update, file: UpdateFile, is_related: bool
    ) -> Failure | None:
        """Scan one file of an update; why that was not possible."""
        blob = f"{instance}/{hex_of(file.sha256)}"
        try:
            judged = await self.scanning.judge(
                instance,
                Sample(file.sha256, file.size_bytes, file.filename, may_be_delta=is_related),
                lambda path: self.blobs.download("content", blob, path),
                knowledge=await self.scanning.knowledge(),
                is_published=True,
            )
        except NotFound:
            return None  # the update is being deleted
        except ContentChanged:
            message = f"File '{file.filename}' of '{update.update_id}' is not what was published."
            log.exception("%s", message)
            return Failure("HashMismatch", message, file.filename)
        if not judged.verdicts:
            return None
        found = worst(judged.verdicts)
        if found.status == "error":
            message = f"File '{file.filename}' of '{update.update_id}': {found.findings}."
            return Failure("SourceFilePendingMalwareAnalysis", message, file.filename)
        await self._write_down(instance, update, file, judged.verdicts)
        if found.status == "malicious":
            reason = (
                f"File '{file.filename}' holds malware at '{found.member_path}': {found.findings} "
                f"({found.engine}, rules {found.rules_version})."
            )
            await self.recalls.start(instance, update.update_id, reason, is_automatic=True)
        elif found.status != "clean":
            log.warning("%s of %s cannot be scanned any more", file.filename, update.update_id)
        return None

    async def _write_down(
        self, instance: str, update: Update, file: UpdateFile, verdicts: Sequence[Verdict]
    ) -> None:
        """Show the new verdicts in the update; engines that were not asked keep theirs."""

        async def cycle() -> None:
            stored = await self.updates.get(instance, update.update_id)
            if stored is None or stored.value.operation_id != update.operation_id:
                return
            files = tuple(_judged(item, file.file_id, verdicts) for item in stored.value.files)
            if files != stored.value.files:
                await self._save(instance, stored, files)

        await retry_on_conflict(cycle)

    async def _save(
        self, instance: str, stored: Stored[Update], files: tuple[UpdateFile, ...]
    ) -> None:
        await self.updates.save(instance, replace(stored.value, files=files), stored.etag)


def _all_files(update: Update) -> list[tuple[UpdateFile, bool]]:
    """Every file, and whether it is a related one."""
    return [
        each
        for file in update.files
        for each in ((file, False), *((item, True) for item in file.related_files))
    ]


def _judged(file: UpdateFile, file_id: str, verdicts: Sequence[Verdict]) -> UpdateFile:
    if file.file_id != file_id:
        related = tuple(_judged(item, file_id, verdicts) for item in file.related_files)
        return replace(file, related_files=related)
    asked = {item.engine for item in verdicts}
    kept = tuple(item for item in file.verdicts if item.engine not in asked)
    return replace(file, verdicts=(*verdicts, *kept))


def _digest(knowledge: Sequence[Knowledge]) -> str:
    return hashlib.sha256(repr(sorted(map(str, knowledge))).encode()).hexdigest()[:16]
