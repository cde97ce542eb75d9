"""Exports lists of devices to files, as operations.

One message writes the whole file, page by page, with a row group of them in memory. Where it dies,
the message comes again and the file is begun anew; a file counts once the operation has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from shared import messages
from shared.domain.errors import ConcurrentUpdate, Conflict, DeviceUpdateError, NotFound
from shared.domain.export_order import Export, ExportFormat
from shared.domain.fleet.compliance import is_on_latest
from shared.domain.fleet.export import COLUMNS, LINK_HOURS, ExportedFile, Row, row_of
from shared.domain.fleet.queries import DeviceFilter
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.ports import Blobs, BlobSink, Clock, Fleet, Operations, Queues, Stored, TableFiles
from shared.services.devices.lists import DeviceLists
from shared.services.operations import MAX_ATTEMPTS, given_up, operation_id
from shared.topology import Container

_PAGE = 1000
_ROWS_A_GROUP = 10_000
_CONTAINER: Container = "uploads"


@dataclass(slots=True)
class ExportDevices:
    """Exports of an instance's devices."""

    operations: Operations
    lists: DeviceLists
    fleet: Fleet
    blobs: Blobs
    files: TableFiles
    queues: Queues
    clock: Clock

    async def start(
        self,
        instance: str,
        file_format: ExportFormat,
        trace_id: str,
        wanted: DeviceFilter | None = None,
        text: str = "",
    ) -> str:
        """Begin an export of all devices or of those wanted, by a filter with this text; the id of
        its operation.
        """
        members = msgspec.to_builtins(wanted or DeviceFilter())
        now = self.clock.now()
        operation = Operation(
            operation_id=operation_id(now, self.clock.fresh_id()),
            kind="devices",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.EXPORT,
            created_at=now,
            changed_at=now,
            trace_id=trace_id,
            export=Export(file_format, members, text),
        )
        await self.operations.add(instance, operation)
        await self.queues.put(
            messages.ExportDevices(instance=instance, operation=operation.operation_id)
        )
        return operation.operation_id

    async def run(self, instance: str, identity: str) -> None:
        """Write the file; another worker that writes it as well makes this one stop."""
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.is_finished or stored.value.export is None:
            return
        if stored.value.tries >= MAX_ATTEMPTS:
            await self.fail(instance, identity, given_up(stored.value))
            return
        begun = stored.value.begun(Stage.EXPORT, self.clock.now())
        try:
            await self._write(instance, await self._saved(instance, stored, begun))
        except ConcurrentUpdate:
            return

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End an export that cannot go on."""
        stored = await self.operations.get(instance, identity)
        if stored is not None and not stored.value.is_finished:
            failed = stored.value.failed(error, self.clock.now())
            await self.operations.save(instance, failed, stored.etag)

    async def file(self, instance: str, identity: str) -> ExportedFile:
        """What an export has made.

        Raises:
            NotFound: There is no such export, or its file is no longer kept.
            Conflict: It has not ended well, or not yet.
        """
        stored = await self.operations.get(instance, identity)
        export = stored.value.export if stored is not None else None
        if stored is None or export is None:
            raise NotFound(f"Export '{identity}' does not exist.", target="operationId")
        if stored.value.status is not OperationStatus.SUCCEEDED:
            raise Conflict(
                f"Export '{identity}' is {stored.value.status}: it has no file.",
                target="operationId",
            )
        name = _name(instance, identity, export)
        known = await self.blobs.metadata(_CONTAINER, name)
        if known is None:
            raise NotFound("The file is no longer kept: export again.", target="operationId")
        url = await self.blobs.link(_CONTAINER, name, f"devices.{export.format}", hours=LINK_HOURS)
        return ExportedFile(export, url, int(known["size"]))

    async def _write(self, instance: str, stored: Stored[Operation]) -> None:
        export = stored.value.export
        assert export is not None
        sink = self.blobs.open_write(_CONTAINER, _name(instance, stored.value.operation_id, export))
        try:
            stored = await self._fill(instance, stored, export, sink)
            await sink.commit({})
        finally:
            await sink.close()
        ended = stored.value.succeeded(None, self.clock.now())
        await self.operations.save(instance, ended, stored.etag)

    async def _fill(
        self, instance: str, stored: Stored[Operation], export: Export, sink: BlobSink
    ) -> Stored[Operation]:
        wanted = msgspec.convert(export.wanted, DeviceFilter)
        classes = await self.fleet.classes(instance)
        best = {known.device_class.class_id: known.best_update for known in classes}
        writer = self.files.begin(export.format, COLUMNS)
        rows: list[Row] = []
        count, token, is_last = 0, None, False
        while not is_last:
            page = await self.lists.page(instance, wanted, token=token, size=_PAGE)
            rows += [
                row_of(item, is_on_latest=is_on_latest(item.installed, best.get(item.class_id)))
                for item in page.items
            ]
            token, is_last = page.token, page.token is None
            if len(rows) < _ROWS_A_GROUP and not is_last:
                continue
            await _send(sink, writer.write(rows))
            count, rows = count + len(rows), []
            told = replace(stored.value, export=replace(export, devices=count))
            stored = await self._saved(instance, stored, replace(told, changed_at=self.clock.now()))
        await _send(sink, writer.finish())
        return stored

    async def _saved(
        self, instance: str, stored: Stored[Operation], operation: Operation
    ) -> Stored[Operation]:
        return Stored(operation, await self.operations.save(instance, operation, stored.etag))


def _name(instance: str, identity: str, export: Export) -> str:
    return f"{instance}/exports/{identity}.{export.format}"


async def _send(sink: BlobSink, content: bytes) -> None:
    if content:
        await sink.write(content)
