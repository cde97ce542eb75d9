"""Tables come back from a backup as they were, on a real table service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty, TableServiceClient

from tests.azurite import Azurite, start_azurite
from tests.infra.files import INFRA

_ROWS = 230
_ODD = {
    "PartitionKey": "odd",
    "RowKey": "'quoted' and ünicode",
    "text": "a\n{}",
    "empty": "",
    "number": 7,
    "large": EntityProperty(2**40, EdmType.INT64),
    "small_but_long": EntityProperty(1, EdmType.INT64),
    "real": 0.1,
    "yes": True,
    "when": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "bytes": b"\x00\xff",
    "guid": UUID("12345678-1234-5678-1234-567812345678"),
}


@pytest.fixture
async def azurite(tmp_path: Path) -> AsyncIterator[Azurite]:
    async with start_azurite(tmp_path) as found:
        yield found


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Azurite]:
    async with start_azurite(tmp_path) as found:
        yield found


def _run(action: str, azurite: Azurite, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, INFRA / "tables.py", action, "unused", folder],
        env={**os.environ, "STATE": azurite.connection_string},
        capture_output=True,
        text=True,
        check=False,
    )


def _fill(azurite: Azurite) -> None:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        devices = service.create_table("Devices")
        devices.create_entity(_ODD)
        for start in range(0, _ROWS, 100):
            rows = range(start, min(start + 100, _ROWS))
            devices.submit_transaction(
                [
                    ("create", {"PartitionKey": "many", "RowKey": f"{row:04}", "text": "x" * 9000})
                    for row in rows
                ]
            )
        service.create_table("Updates").create_entity({"PartitionKey": "u", "RowKey": "1"})


def _all(azurite: Azurite) -> dict[str, list[dict[str, object]]]:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        return {
            name: [dict(row) for row in service.get_table_client(name).list_entities()]
            for name in ("Devices", "Updates")
        }


async def test_every_row_comes_back_with_its_types(
    azurite: Azurite, empty: Azurite, tmp_path: Path
) -> None:
    _fill(azurite)
    folder = tmp_path / "backup"

    saved = _run("backup", azurite, folder)
    restored = _run("restore", empty, folder)

    assert saved.stdout.startswith(f"{_ROWS + 2} rows of "), saved.stderr
    assert restored.returncode == 0, restored.stderr
    assert _all(empty) == _all(azurite)
    [odd] = [row for row in _all(empty)["Devices"] if row["PartitionKey"] == "odd"]
    assert odd["large"] == _ODD["large"]
    assert odd["when"] == _ODD["when"]


async def test_nothing_is_restored_over_rows_or_from_a_broken_backup(
    azurite: Azurite, empty: Azurite, tmp_path: Path
) -> None:
    _fill(azurite)
    folder = tmp_path / "backup"
    _run("backup", azurite, folder)

    onto_rows = _run("restore", azurite, folder)
    lines = (folder / "Devices.jsonl").read_text().splitlines(keepends=True)
    (folder / "Devices.jsonl").write_text("".join(lines[:-1]))
    cut = _run("restore", empty, folder)
    (folder / "tables.json").unlink()
    unfinished = _run("restore", empty, folder)

    assert [item.returncode for item in (onto_rows, cut, unfinished)] == [1, 1, 1]
    assert "has rows already" in onto_rows.stderr
    assert "Devices.jsonl has not the" in cut.stderr
    assert "has no whole backup" in unfinished.stderr
    with TableServiceClient.from_connection_string(empty.connection_string) as service:
        assert list(service.list_tables()) == []


def test_every_table_of_the_program_is_backed_up() -> None:
    from shared.topology import TABLES

    assert json.loads((INFRA / "stores.json").read_text())["state"]["tables"] == list(TABLES)
