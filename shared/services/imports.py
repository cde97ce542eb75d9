"""Starts imports and ends them; the stages in between have modules of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.errors import ConcurrentUpdate, DeviceUpdateError
from shared.domain.import_request import ImportItem
from shared.domain.limits import Limits, TooManyRequests
from shared.domain.operation import ImportSource, Operation, OperationStatus, Stage
from shared.domain.topology import IMPORT_MANIFEST_SUFFIX, IMPORT_STATUS_SUFFIX
from shared.domain.update_id import UpdateId
from shared.ports import Blobs, Clock, Operations, Queues, Sealer, Stored

_LAST_MILLISECOND = 10**14
_SECONDS_UNTIL_ROOM = 10.0


def operation_id(created_at: str, unique: str) -> str:
    """An operation's id: newest first in the order of text, and not to be guessed."""
    milliseconds = int(datetime.fromisoformat(created_at).timestamp() * 1000)
    return f"{_LAST_MILLISECOND - milliseconds:014d}-{unique}"


def quarantine_prefix(instance: str, operation_id: str) -> str:
    """Where an import keeps its untrusted content."""
    return f"{instance}/{operation_id}/"


@dataclass(slots=True)
class Imports:
    """The life of import operations."""

    operations: Operations
    blobs: Blobs
    queues: Queues
    sealer: Sealer
    clock: Clock
    limits: Limits = field(default_factory=Limits)

    async def start(self, instance: str, items: Sequence[ImportItem], trace_id: str) -> str:
        """Begin an import from URLs; the id of its operation.

        Raises:
            TooManyRequests: As many operations as may run at the same time do so.
        """
        await self._check_room(instance)
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
        return await self._begin(
            instance, operation_id(now, self.clock.fresh_id()), sources, now, trace_id
        )

    async def _check_room(self, instance: str) -> None:
        """Count what began in the last day: what runs for longer is stuck and takes no part."""
        most = self.limits.running_operations
        day = datetime.fromisoformat(self.clock.now()) - timedelta(days=1)
        running = await self.operations.count_running(
            instance, newer_than=operation_id(day.isoformat(), ""), up_to=most
        )
        if running >= most:
            raise TooManyRequests(
                f"{running} operations are running; the limit running_operations is {most}.",
                retry_after=_SECONDS_UNTIL_ROOM,
            )

    async def start_from_drop(self, instance: str, name: str, etag: str, created_at: str) -> str:
        """Begin the import of a manifest dropped at `name`; once for each ETag."""
        unique = hashlib.sha256(f"{instance}\n{name}\n{etag}".encode()).hexdigest()[:32]
        source = ImportSource("drop", name, None, None, None, {})
        return await self._begin(
            instance, operation_id(created_at, unique), (source,), created_at, unique
        )

    async def _begin(
        self,
        instance: str,
        identity: str,
        sources: tuple[ImportSource, ...],
        now: str,
        trace_id: str,
    ) -> str:
        operation = Operation(
            operation_id=identity,
            kind="import",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.FETCH,
            created_at=now,
            changed_at=now,
            trace_id=trace_id,
            sources=sources,
        )
        await self.operations.add(instance, operation)
        await self.queues.put("import", {"instance": instance, "operation": identity})
        return identity

    async def unfinished(self, instance: str, identity: str) -> Stored[Operation] | None:
        """An import that goes on; what is left to do of one that has ended is done here."""
        stored = await self.operations.get(instance, identity)
        if stored is None or not stored.value.is_finished:
            return stored
        await self._finish(instance, stored.value)
        return None

    async def succeed(self, instance: str, stored: Stored[Operation], update_id: UpdateId) -> None:
        """End an import well and forget its quarantined content."""
        operation = stored.value.succeeded(update_id, self.clock.now())
        await self.operations.save(instance, operation, stored.etag)
        await self._finish(instance, operation)

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End an import with its reason and forget its quarantined content."""
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.is_finished:
            return
        operation = stored.value.failed(error, self.clock.now())
        try:
            await self.operations.save(instance, operation, stored.etag)
        except ConcurrentUpdate:
            await self.fail(instance, identity, error)
            return
        await self._finish(instance, operation)

    async def _finish(self, instance: str, operation: Operation) -> None:
        await self.report_drop(operation)
        await self.blobs.delete_all(
            "quarantine", quarantine_prefix(instance, operation.operation_id)
        )

    async def report_drop(self, operation: Operation) -> None:
        """Say beside a dropped manifest what became of it."""
        for source in operation.sources:
            if source.kind != "drop":
                continue
            failure = operation.failure
            status = {
                "operationId": operation.operation_id,
                "status": operation.status,
                "stage": operation.stage,
                "update": operation.update_id.to_wire() if operation.update_id else None,
                "error": {"code": failure.code, "message": failure.message} if failure else None,
                "lastActionDateTime": operation.changed_at,
            }
            name = source.manifest.removesuffix(IMPORT_MANIFEST_SUFFIX) + IMPORT_STATUS_SUFFIX
            await self.blobs.write("imports", name, json.dumps(status, indent=1).encode())
