"""Starts imports and ends them; the stages in between have modules of their own."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared import messages
from shared.domain.audit import UNKNOWN, Change, Origin
from shared.domain.errors import Conflict, DeviceUpdateError, NotFound
from shared.domain.events.catalog import update_imported, update_refused
from shared.domain.limits import Limits, TooManyRequests
from shared.domain.operation import Failure, ImportSource, Operation, OperationStatus, Stage
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update_id import UpdateId
from shared.ports import (
    NO_TELEMETRY,
    Blobs,
    Clock,
    Operations,
    Queues,
    Sealer,
    Stored,
    Telemetry,
)
from shared.services.announce import Announcer
from shared.services.audit.trail import AuditTrail
from shared.services.imports.attempt import ImportAttempt, Superseded
from shared.services.operations import MAX_ATTEMPTS, given_up, operation_id
from shared.services.retrying import retry_on_conflict
from shared.signals import Metric, Span, trace_id_of
from shared.topology import IMPORT_MANIFEST_SUFFIX, IMPORT_STATUS_SUFFIX, quarantine_prefix

_SPANS = {
    Stage.DELTA: Span.DELTA,
    Stage.FETCH: Span.FETCH,
    Stage.SCAN: Span.SCAN,
    Stage.PUBLISH: Span.PUBLISH,
}
_WORKED_ON_BY = {
    Stage.FETCH: (Stage.FETCH,),
    Stage.DELTA: (Stage.DELTA,),
    Stage.SCAN: (Stage.FETCH, Stage.DELTA, Stage.SCAN),
    Stage.PUBLISH: (Stage.PUBLISH,),
}

log = logging.getLogger(__name__)
_SECONDS_UNTIL_ROOM = 10.0


@dataclass(slots=True)
class Imports:
    """The life of import operations."""

    operations: Operations
    blobs: Blobs
    queues: Queues
    sealer: Sealer
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    announcer: Announcer = field(default_factory=Announcer)
    telemetry: Telemetry = NO_TELEMETRY
    audit: AuditTrail = field(kw_only=True)

    async def start(self, instance: str, items: Sequence[ImportItem], trace_id: str) -> str:
        """Begin an import from URLs; the id of its operation.

        Raises:
            TooManyRequests: As many operations as may run at the same time do so.
        """
        await self.check_room(instance)
        sources = tuple(
            ImportSource(
                kind="url",
                manifest=self.sealer.seal(item.manifest_url),
                manifest_size_bytes=item.manifest_size_bytes,
                manifest_sha256=item.manifest_sha256,
                friendly_name=item.friendly_name,
                files={name: self.sealer.seal(url) for name, url in item.files},
            )
            for item in items
        )
        now = self.clock.now()
        identity = operation_id(now, self.clock.fresh_id())
        await self._begin(instance, identity, sources, now, trace_id)
        return identity

    async def check_room(self, instance: str) -> None:
        """Count what began in the last day: what runs for longer is stuck and takes no part.

        Raises:
            TooManyRequests: As many operations as may run at the same time do so.
        """
        most = self.limits.running_operations
        day = datetime.fromisoformat(self.clock.now()) - timedelta(days=1)
        running = await self.operations.count_running(
            instance, newer_than=operation_id(day.isoformat(), ""), up_to=most
        )
        if running >= most:
            raise TooManyRequests(
                f"{running} operations are running; the limit running_operations is {most}.",
                target="running_operations",
                retry_after=_SECONDS_UNTIL_ROOM,
            )

    async def start_from_drop(self, instance: str, name: str, etag: str, created_at: str) -> str:
        """Begin the import of a manifest dropped at `name`; once for each ETag."""
        unique = hashlib.sha256(f"{instance}\n{name}\n{etag}".encode()).hexdigest()[:32]
        source = ImportSource("drop", name, None, None, None, {}, _unquoted_etag(etag) or None)
        identity = operation_id(created_at, unique)
        change = Change(
            request_id=identity,
            origin=Origin.DROP,
            actor=UNKNOWN,
            action="import_dropped",
            target="updates",
            begun_at=self.clock.now(),
            request={"manifest": name, "etag": etag},
        )
        async with self.audit.change(instance, change) as outcome:
            outcome.is_made = await self._begin(instance, identity, (source,), created_at, unique)
            outcome.after = {"operationId": identity}
        return identity

    async def _begin(
        self,
        instance: str,
        identity: str,
        sources: tuple[ImportSource, ...],
        now: str,
        trace_id: str,
    ) -> bool:
        """Begin an import and have it worked on; False if it had begun already."""
        traceparent = self.telemetry.traceparent
        operation = Operation(
            operation_id=identity,
            kind="import",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.FETCH,
            created_at=now,
            changed_at=now,
            trace_id=trace_id_of(traceparent) or trace_id,
            sources=sources,
            traceparent=traceparent,
        )
        is_new = await self.operations.add(instance, operation)
        await self.queues.put(messages.FetchImport(instance=instance, operation=identity))
        return is_new

    async def unfinished(self, instance: str, identity: str) -> Stored[Operation] | None:
        """An import that goes on; what is left to do of one that has ended is done here."""
        stored = await self.operations.get(instance, identity)
        if stored is None or not stored.value.is_finished:
            return stored
        await self._finish(instance, stored.value)
        return None

    async def work(
        self,
        instance: str,
        identity: str,
        stage: Stage,
        run: Callable[[ImportAttempt], Awaitable[None]],
        undo: Callable[[str, Operation], Awaitable[None]] | None = None,
    ) -> None:
        """Attempt a stage: that it is at, or the one before has just asked for.

        A failure that may pass is noted and raised, so that the message is delivered again; any
        other, or the last of so many, ends the import once `undo` has taken back what the stage
        did.
        """
        stored = await self.unfinished(instance, identity)
        if stored is None or stored.value.stage not in _WORKED_ON_BY[stage]:
            return
        operation = stored.value.begun(stage, self.clock.now())
        if operation.tries > MAX_ATTEMPTS:
            if undo is not None:
                await undo(instance, operation)
            await self.fail(instance, identity, given_up(stored.value))
            return
        etag = await self.operations.save(instance, operation, stored.etag)
        attempt = ImportAttempt(self.operations, self.clock, instance, Stored(operation, etag))
        try:
            with self.span(stage, instance, operation):
                await run(attempt)
        except Superseded as error:
            log.info("import %s: %s", identity, error.message)
        except DeviceUpdateError as error:
            if not await self._note(attempt, error):
                return
            if error.retryable and operation.tries < MAX_ATTEMPTS:
                raise
            if undo is not None:
                await undo(instance, operation)
            await self.fail(instance, identity, error)

    def span(
        self, stage: Stage, instance: str, operation: Operation
    ) -> AbstractContextManager[object]:
        """The span of a stage of an import."""
        return self.telemetry.span(
            _SPANS[stage],
            parent=operation.traceparent,
            instance=instance,
            operation=operation.operation_id,
        )

    async def _note(self, attempt: ImportAttempt, error: DeviceUpdateError) -> bool:
        """Write down why a try failed; False if a newer one has taken over."""
        try:
            await attempt.save(last_error=Failure.of(error))
        except Superseded:
            return False
        return True

    async def succeed(self, attempt: ImportAttempt, published: Sequence[UpdateId]) -> None:
        """End an import well, named by its first update, and forget its quarantined content."""
        ended = attempt.operation.succeeded(published[0], self.clock.now())
        if self._is_announced(ended):
            events = [update_imported(attempt.instance, item, ended) for item in published]
            ended = replace(ended, events=tuple(events))
        await self._finish(attempt.instance, await attempt.replace(ended))

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End an import with its reason and forget its quarantined content.

        Raises:
            ConcurrentUpdate: It changed at every try.
        """

        async def end() -> None:
            stored = await self.operations.get(instance, identity)
            if stored is not None and not stored.value.is_finished:
                await self._end(instance, stored, error)

        await retry_on_conflict(end)

    async def _end(
        self, instance: str, stored: Stored[Operation], error: DeviceUpdateError
    ) -> None:
        """Write down that an import has failed, unless it has changed since it was read."""
        operation = stored.value.failed(error, self.clock.now())
        if self._is_announced(operation):
            operation = replace(operation, events=(update_refused(instance, operation),))
        await self.operations.save(instance, operation, stored.etag)
        if operation.kind == "import":
            # an alert waits for these words
            log.warning("import %s failed: %s", operation.operation_id, error.code)
        else:
            log.warning("%s %s failed: %s", operation.kind, operation.operation_id, error.code)
        self.telemetry.record(Metric.FAILURES, function=operation.kind, code=error.code)
        await self._finish(instance, operation)

    async def cancel(self, instance: str, identity: str) -> Stored[Operation]:
        """End an import that nobody wants any more; the operation as it is then.

        Raises:
            NotFound: There is no such import.
            Conflict: It has ended, or its updates are being published.
            ConcurrentUpdate: It changed at every try.
        """
        return await retry_on_conflict(lambda: self._cancel(instance, identity))

    async def _cancel(self, instance: str, identity: str) -> Stored[Operation]:
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.kind != "import":
            raise NotFound(f"Import '{identity}' does not exist.", target="operationId")
        if stored.value.is_finished or stored.value.stage is Stage.PUBLISH:
            raise Conflict(
                f"Import '{identity}' is {_standing(stored.value)}: it cannot be cancelled.",
                target="operationId",
            )
        reason = Conflict("The import was cancelled.", code="ImportCanceled")
        await self._end(instance, stored, reason)
        ended = await self.operations.get(instance, identity)
        assert ended is not None
        return ended

    def _is_announced(self, operation: Operation) -> bool:
        """A delta is no news: the update is what it was."""
        return self.announcer.is_on and operation.kind == "import"

    async def _finish(self, instance: str, operation: Operation) -> None:
        if operation.events:
            await self.announcer.operation(instance, operation.operation_id)
        await self.report_drop(operation)
        await self.blobs.delete_all(
            "quarantine", quarantine_prefix(instance, operation.operation_id)
        )

    async def report_drop(self, operation: Operation) -> None:
        """Say beside a dropped manifest what became of it, unless a newer one lies there."""
        for source in operation.sources:
            if source.kind == "drop" and not await self.is_replaced(source):
                name = source.manifest.removesuffix(IMPORT_MANIFEST_SUFFIX) + IMPORT_STATUS_SUFFIX
                status = json.dumps(_drop_status(operation), indent=1).encode()
                await self.blobs.write("imports", name, status)

    async def refuse_drop(self, name: str, instances: Iterable[str]) -> None:
        """Say beside a dropped manifest that its folder names no instance: guessing would give it
        to the wrong one.
        """
        folders = ", ".join(f"{instance}/" for instance in instances)
        message = f"Drop it into a folder of an instance: {folders[:200]}."
        log.warning("refused the dropped manifest %s: its folder names no instance", name)
        status = {
            "status": OperationStatus.FAILED,
            "error": {"code": "InstanceNotNamed", "message": message},
        }
        beside = name.removesuffix(IMPORT_MANIFEST_SUFFIX) + IMPORT_STATUS_SUFFIX
        await self.blobs.write("imports", beside, json.dumps(status, indent=1).encode())

    async def is_replaced(self, source: ImportSource) -> bool:
        """Whether a dropped manifest was dropped again since."""
        if source.etag is None:
            return False
        known = await self.blobs.metadata("imports", source.manifest)
        return known is not None and _unquoted_etag(known["etag"]) != source.etag


def _standing(operation: Operation) -> str:
    return "being published" if not operation.is_finished else operation.status.value.lower()


def _drop_status(operation: Operation) -> dict[str, object]:
    failure = operation.failure
    return {
        "operationId": operation.operation_id,
        "status": operation.status,
        "stage": operation.stage,
        "missingFiles": operation.missing,
        "missingUpdates": [item.to_wire() for item in operation.missing_updates],
        "update": operation.update_id.to_wire() if operation.update_id else None,
        "error": {"code": failure.code, "message": failure.message} if failure else None,
        "lastActionDateTime": operation.changed_at,
    }


def _unquoted_etag(etag: str) -> str:
    """An ETag as it is compared: events and headers differ in the quotes."""
    return etag.strip('"')
