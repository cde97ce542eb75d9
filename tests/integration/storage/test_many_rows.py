"""Device rows that large benchmarks put at once are those that the service writes one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.device_rows import DeviceRows
from bench.many_rows import SETTINGS
from local.stack.provision import provision
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.settings import Connection
from tests.azurite import start_azurite
from tests.settings import INSTANCE

if TYPE_CHECKING:
    from pathlib import Path

_DEVICES = 40


@pytest.mark.asyncio
async def test_rows_put_at_once_are_those_written_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plain", "large"):
        (tmp_path / name).mkdir()
    async with start_azurite(tmp_path / "plain") as azurite:
        written = await _rows(azurite.connection_string, at_once=False)
    monkeypatch.setenv("NODE_OPTIONS", SETTINGS["NODE_OPTIONS"])
    async with start_azurite(tmp_path / "large") as azurite:
        put = await _rows(azurite.connection_string, at_once=True)

    assert len([row for row in written if row[1].startswith("d.")]) == _DEVICES
    assert put == written


async def _rows(connection_string: str, *, at_once: bool) -> dict[tuple[str, str], dict[str, Any]]:
    """All rows of the table of devices by their keys, after a group was written."""
    provision(connection_string)
    connection = Connection(connection_string=connection_string)
    accounts = StorageAccounts(connection, connection, lambda: None, lambda _: None)
    try:
        rows = DeviceRows(accounts, INSTANCE)
        if at_once:
            await rows.write_at_once("north", _DEVICES)
        else:
            await rows.write("north", (f"north-{number}" for number in range(_DEVICES)))
        found = await Table(accounts, "Devices").all("PartitionKey ge ''", {})
        return {(row["PartitionKey"], row["RowKey"]): dict(row) for row in found}
    finally:
        await accounts.close()
