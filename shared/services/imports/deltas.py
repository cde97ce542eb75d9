"""Makes deltas between two versions of a published update.

An operation of its own goes through two stages of an import: what was made lies in quarantine until
it is scanned, and only then is it published. Attaching it changes the update manifest, which is
signed anew; devices that were asked before go on with the manifest that they have.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from shared import messages
from shared.contract.encoding import unb64
from shared.domain.errors import Conflict, NotFound
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.domain.updates.delta import (
    Delta,
    Pair,
    check_versions,
    delta_name,
    pairs,
    with_deltas,
)
from shared.domain.updates.delta_outcome import DeltaOutcome
from shared.domain.updates.update import Update, hex_of
from shared.domain.updates.update_id import UpdateId
from shared.ports import Blobs, Clock, DeltaMaker, Operations, Queues, Updates
from shared.services.commands import Commands
from shared.services.imports.attempt import ImportAttempt
from shared.services.imports.operation import Imports
from shared.services.imports.promotion import promote
from shared.services.imports.scan import VERDICTS, refusal
from shared.services.imports.scan_entry import ScanEntry
from shared.services.operations import operation_id
from shared.services.retrying import retry_on_conflict
from shared.services.scanning.engines import Judged, Scanning
from shared.services.scanning.evidence import Evidence
from shared.services.updates.signing import Signing
from shared.signals import trace_id_of
from shared.topology import SCAN_REQUEST, quarantine_prefix

_MADE = "deltas.json"
_PIECE_BYTES = 1 << 20


class _Made(msgspec.Struct, frozen=True, rename="camel"):
    """A delta in quarantine."""

    blob: str
    delta: Delta


@dataclass(slots=True)
class Deltas:
    """Deltas, from the request to the update that has them."""

    imports: Imports
    operations: Operations
    updates: Updates
    blobs: Blobs
    evidence: Evidence
    queues: Queues
    maker: DeltaMaker
    scanning: Scanning
    signing: Signing
    commands: Commands
    clock: Clock
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """One pair of files at a time lies on the disk of a process."""

    async def start(
        self, instance: str, update_id: UpdateId, source_version: str, trace_id: str
    ) -> str:
        """Begin to make the deltas from an older version of an update; the id of the operation.

        Raises:
            NotFound: There is no such version.
            Conflict: No file of the update can have a delta from it.
            TooManyRequests: As many operations as may run at the same time do so.
        """
        await self.imports.check_room(instance)
        source_id = replace(update_id, version=source_version)
        source, target = await self._both(instance, source_id, update_id)
        found, outcomes = pairs(source, target)
        if not found:
            raise _none_made(outcomes)
        now = self.clock.now()
        traceparent = self.imports.telemetry.traceparent
        operation = Operation(
            operation_id=operation_id(now, self.clock.fresh_id()),
            kind="delta",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.DELTA,
            created_at=now,
            changed_at=now,
            trace_id=trace_id_of(traceparent) or trace_id,
            traceparent=traceparent,
            update_id=update_id,
            subject=target.operation_id,
            source_version=source_version,
            bytes_total=sum(pair.target.size_bytes for pair in found),
        )
        await self.operations.add(instance, operation)
        await self.queues.put(
            messages.MakeDelta(instance=instance, operation=operation.operation_id)
        )
        return operation.operation_id

    async def run(self, instance: str, identity: str) -> None:
        """Do what the operation is at; once more changes nothing.

        Raises:
            DependencyFailed: Something failed in a way that may pass.
        """
        await self.imports.work(instance, identity, Stage.DELTA, self._make)
        await self.imports.work(instance, identity, Stage.PUBLISH, self._attach)

    async def _make(self, attempt: ImportAttempt) -> None:
        operation, instance = attempt.operation, attempt.instance
        source, target = await self._of(instance, operation)
        prefix = quarantine_prefix(instance, operation.operation_id)
        found, outcomes = pairs(source, target)
        taken = {name.casefold() for name in target.file_names.values()}
        made: list[_Made] = []
        done = 0
        async with attempt.kept_alive():
            for number, pair in enumerate(found):
                name, blob = delta_name(pair, source, taken), f"{prefix}0/{number}"

                async def tell(looked_at: int, done: int = done) -> None:
                    await attempt.save(bytes_done=done + looked_at)

                delta, outcome = await self._make_one(instance, pair, name, blob, tell)
                outcomes.append(outcome)
                if delta is not None:
                    made.append(_Made(blob, delta))
                done += pair.target.size_bytes
                await attempt.save(bytes_done=done, deltas=tuple(outcomes))
        if not made:
            raise _none_made(outcomes)
        await self.evidence.write(prefix + _MADE, made)
        await attempt.save(files_total=len(made))
        entries = [_scan_entry(item) for item in made]
        await self.evidence.write(prefix + SCAN_REQUEST, entries)

    async def _make_one(
        self,
        instance: str,
        pair: Pair,
        name: str,
        blob: str,
        tell: Callable[[int], Awaitable[None]],
    ) -> tuple[Delta | None, DeltaOutcome]:
        async with self._turn:
            with tempfile.TemporaryDirectory(prefix="odu-delta-") as folder:
                source, target, path = (Path(folder) / each for each in ("old", "new", "delta"))
                for file, place in ((pair.source, source), (pair.target, target)):
                    await self.blobs.download("content", f"{instance}/{hex_of(file.sha256)}", place)
                made = await self.maker.make(
                    source, target, path, most_bytes=pair.most_bytes, on_progress=tell
                )
                outcome = DeltaOutcome(
                    pair.target.filename, pair.target.size_bytes, made.size_bytes
                )
                if made.sha256 is None:
                    return None, replace(outcome, reason="it saves less than 40 %")
                await self._put(path, blob, made.sha256)
        delta = Delta(
            target_id=pair.target.file_id,
            source_sha256=pair.source.sha256,
            filename=name,
            size_bytes=made.size_bytes,
            sha256=made.sha256,
        )
        return delta, outcome

    async def _put(self, path: Path, blob: str, sha256: str) -> None:
        sink = self.blobs.open_write("quarantine", blob)
        try:
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    await sink.write(piece)
            await sink.commit({"sha256": unb64(sha256).hex()})
        finally:
            await sink.close()

    async def _attach(self, attempt: ImportAttempt) -> None:
        operation, instance = attempt.operation, attempt.instance
        assert operation.update_id is not None
        prefix = quarantine_prefix(instance, operation.operation_id)
        made = await self._read(prefix + _MADE, list[_Made])
        scanned = await self._read(prefix + VERDICTS, dict[str, Judged])
        async with attempt.kept_alive():
            update = await self._check(instance, operation, made)
            await self._promote(instance, update, made, scanned)
            update = await self._sign(instance, operation, made, scanned)
            # a deletion that did not see the deltas yet may have taken a blob meanwhile
            await self._promote(instance, update, made, scanned)
        await self.imports.succeed(attempt, [operation.update_id])

    async def _sign(
        self,
        instance: str,
        operation: Operation,
        made: Sequence[_Made],
        scanned: dict[str, Judged],
    ) -> Update:
        verdicts = {item.delta.filename: scanned[item.blob].verdicts for item in made}

        async def cycle() -> Update:
            known, etag = await self._target(instance, operation)
            changed, generated = with_deltas(known, [item.delta for item in made], verdicts)
            if changed == known:
                return known
            for item in generated:
                name = f"{instance}/{hex_of(item.sha256)}"
                await self.blobs.write("content", name, item.content)
            signature, record = await self.signing.sign(changed.manifest, operation.operation_id)
            changed = replace(changed, signature=signature, signature_record=record)
            await self.commands.check_size(instance, changed)
            await self.updates.save(instance, changed, etag)
            return changed

        return await retry_on_conflict(cycle)

    async def _check(self, instance: str, operation: Operation, made: Sequence[_Made]) -> Update:
        """The update, if it can still take the deltas and none was found malicious meanwhile."""
        for item in made:
            harm = await self.scanning.harm(instance, item.delta.sha256)
            if harm is not None:
                raise refusal(item.delta.filename, harm)
        return (await self._target(instance, operation))[0]

    async def _promote(
        self, instance: str, update: Update, made: Sequence[_Made], scanned: dict[str, Judged]
    ) -> None:
        for item in made:
            target = f"{instance}/{hex_of(item.delta.sha256)}"
            entry = item.delta.as_file(update)
            await promote(self.blobs, entry, item.blob, target, scanned[item.blob].etag)

    async def _of(self, instance: str, operation: Operation) -> tuple[Update, Update]:
        target, _ = await self._target(instance, operation)
        source_id = replace(target.update_id, version=operation.source_version or "")
        return await self._both(instance, source_id, target.update_id)

    async def _target(self, instance: str, operation: Operation) -> tuple[Update, str]:
        """The update that the operation is about, and its ETag."""
        assert operation.update_id is not None
        stored = await self.updates.get(instance, operation.update_id)
        if stored is None or stored.value.operation_id != operation.subject:
            raise NotFound(f"Update '{operation.update_id}' was deleted meanwhile.")
        if stored.value.is_being_deleted or stored.value.recall is not None:
            raise Conflict(f"Update '{operation.update_id}' was taken back meanwhile.")
        return stored.value, stored.etag

    async def _both(
        self, instance: str, source_id: UpdateId, target_id: UpdateId
    ) -> tuple[Update, Update]:
        found = []
        for update_id, place in ((source_id, "sourceVersion"), (target_id, "version")):
            stored = await self.updates.get(instance, update_id)
            if stored is None:
                raise NotFound(f"Update '{update_id}' does not exist.", target=place)
            found.append(stored.value)
        source, target = found
        check_versions(source, target)
        return source, target

    async def _read[T](self, name: str, kind: type[T]) -> T:
        note = await self.evidence.read(name, kind)
        if note is None:
            raise NotFound("The quarantined deltas are gone; make them again.")
        return note


def _scan_entry(item: _Made) -> ScanEntry:
    return ScanEntry(
        blob=item.blob,
        filename=item.delta.filename,
        sha256=item.delta.sha256,
        size_bytes=item.delta.size_bytes,
        is_related=True,
    )


def _none_made(outcomes: Sequence[DeltaOutcome]) -> Conflict:
    reasons = "; ".join(f"'{item.filename}': {item.reason}" for item in outcomes)
    return Conflict(f"No delta is made: {reasons or 'there are no files'}.", code="NoDeltaMade")
