"""Exports of lists of devices: what is in the files, and what becomes of an export that fails."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from pyarrow import parquet

from shared.domain.errors import Conflict, DependencyFailed, NotFound
from shared.domain.export_order import ExportFormat
from shared.domain.fleet.device import DeviceState, bucket_of, view
from shared.domain.fleet.export import COLUMNS
from shared.domain.fleet.queries import DeviceFilter
from shared.domain.operation import OperationStatus
from shared.ports import DeviceWrite
from tests.builders.listed import a_fleet
from tests.unit.services.world import INSTANCE, World

FAILED = DeviceFilter(state=DeviceState.FAILED)


async def a_world(group: str = "hall") -> World:
    world = World()
    for record in a_fleet(60, group):
        seen, bucket = view(record), bucket_of(record.device_id)
        assert seen.device_class is not None
        await world.fleet.ensure_known(INSTANCE, group, bucket, seen.device_class)
        await world.devices.commit(INSTANCE, bucket, [DeviceWrite(None, record)])
    return world


async def exported(
    world: World, file_format: ExportFormat, wanted: DeviceFilter | None = None, text: str = ""
) -> tuple[str, bytes]:
    """Start an export and have it done; its id and its file."""
    exports = world.services.devices.exports
    identity = await exports.start(INSTANCE, file_format, "trace", wanted=wanted, text=text)
    await world.drain()
    return identity, content_of(world, identity, file_format)


def content_of(world: World, identity: str, suffix: str) -> bytes:
    return world.blobs.contents["uploads", f"{INSTANCE}/exports/{identity}.{suffix}"][0]


async def test_csv_has_a_row_for_each_device_of_the_filter() -> None:
    world = await a_world()

    identity, content = await exported(world, ExportFormat.CSV, FAILED, "the filter")

    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert list(rows[0]) == [name for name, _ in COLUMNS]
    assert {row["deviceId"] for row in rows} == {f"dev-{number}" for number in range(2, 60, 5)}
    assert {row["deploymentStatus"] for row in rows} == {"Failed"}
    assert {row["failureCode"] for row in rows} == {"00000000"}
    assert {row["isConnected"] for row in rows} == {"", "true", "false"}
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.export is not None
    assert (operation.export.text, operation.export.devices) == ("the filter", 12)
    found = await world.services.devices.exports.file(INSTANCE, identity)
    assert found.size_bytes == len(content)


async def test_parquet_has_types_and_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.services.devices.export._ROWS_A_GROUP", 25)
    monkeypatch.setattr("shared.services.devices.export._PAGE", 10)
    world = await a_world()

    _, content = await exported(world, ExportFormat.PARQUET)
    _, text = await exported(world, ExportFormat.CSV)

    table = parquet.read_table(io.BytesIO(content))
    types = {
        "text": "string",
        "number": "int64",
        "flag": "bool",
        "time": "timestamp[us, tz=UTC]",
    }
    found = zip(table.column_names, map(str, table.schema.types), strict=True)
    assert list(found) == [(name, types[kind]) for name, kind in COLUMNS]
    assert parquet.ParquetFile(io.BytesIO(content)).num_row_groups == 2
    rows: list[dict[str, Any]] = table.to_pylist()
    lines = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    assert [row["deviceId"] for row in rows] == [line["deviceId"] for line in lines]
    assert [row["moduleId"] or "" for row in rows] == [line["moduleId"] for line in lines]
    assert len(rows) == 60


async def test_empty_lists_make_whole_files() -> None:
    world = World()

    _, text = await exported(world, ExportFormat.CSV)
    _, content = await exported(world, ExportFormat.PARQUET)

    assert text.decode() == ",".join(name for name, _ in COLUMNS) + "\r\n"
    assert parquet.read_table(io.BytesIO(content)).num_rows == 0


@pytest.mark.parametrize("group", ["=cmd|' /C calc'!A0", "+1", "-1", "@x"])
async def test_spreadsheets_run_nothing_of_a_csv_file(group: str) -> None:
    world = await a_world(group)

    _, content = await exported(world, ExportFormat.CSV)

    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert {row["groupId"] for row in rows} == {"'" + group}


async def test_export_that_dies_begins_anew_and_ends_once() -> None:
    world = await a_world()
    exports = world.services.devices.exports
    identity = await exports.start(INSTANCE, ExportFormat.CSV, "trace")
    for crash_at in (3, 8, 12):
        world.faults.crash_at(crash_at)
        await world.settle()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.SUCCEEDED
    content = content_of(world, identity, "csv")
    assert content.count(b"\r\n") == 61


async def test_file_is_there_only_once_the_export_has_succeeded() -> None:
    world = await a_world()
    exports = world.services.devices.exports
    identity = await exports.start(INSTANCE, ExportFormat.CSV, "trace")

    with pytest.raises(Conflict, match="NotStarted"):
        await exports.file(INSTANCE, identity)
    await exports.fail(INSTANCE, identity, DependencyFailed("The storage is away."))
    with pytest.raises(Conflict, match="Failed"):
        await exports.file(INSTANCE, identity)
    with pytest.raises(NotFound):
        await exports.file(INSTANCE, "unknown")
    await world.drain()
    assert (await world.operation(identity)).status is OperationStatus.FAILED
