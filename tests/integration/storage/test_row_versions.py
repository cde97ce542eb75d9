"""Rows that earlier releases have left are read, and get the present form when they are written."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import ROW_VERSION, key, key_parts, unpack
from shared.domain.fleet.deployment import Deployment
from shared.domain.operation import Operation
from shared.domain.updates.update import Update
from shared.ports import Stored
from tests.integration.storage.conftest import Ports, tables_of

type Line = Mapping[str, Any]

VERSION = "rowVersion"
RECORDED = Path(__file__).parents[2] / "data/stored"
RELEASES = sorted(folder.name for folder in RECORDED.iterdir())
INSTANCE = "local"


def recorded(release: str, table: str) -> Iterator[dict[str, Any]]:
    """The rows of one instance in a table, as a release left them."""
    with (RECORDED / release / "tables.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            of = key_parts(row["PartitionKey"])[0]
            if row.pop("table") == table and of == INSTANCE and "doc0" in row:
                yield row


@pytest.fixture
def tables(accounts: StorageAccounts) -> Ports:
    return tables_of(accounts)


async def put_back(
    accounts: StorageAccounts, table: str, row: dict[str, Any], instance: str
) -> tuple[str, str]:
    """Write a row as it was recorded, but for its instance; its keys."""
    partition = key(instance, *key_parts(row["PartitionKey"])[1:])
    client = accounts.tables.get_table_client(table)
    await client.upsert_entity({**row, "PartitionKey": partition})
    return partition, row["RowKey"]


async def now(accounts: StorageAccounts, table: str, place: tuple[str, str]) -> Line:
    found: Line = await accounts.tables.get_table_client(table).get_entity(*place)
    return found


class Rewriting:
    """Writes recorded rows back, has ports read and save each, and looks at what stands there."""

    def __init__(self, accounts: StorageAccounts, release: str, instance: str) -> None:
        self._accounts = accounts
        self._release = release
        self._instance = instance

    async def check[T](
        self,
        table: str,
        kind: type[T],
        read: Callable[[T], Awaitable[Stored[T] | None]],
        save: Callable[[str, T, str], Awaitable[Any]],
    ) -> None:
        """`read` gets a row's document by what it says, `save` is the port's."""
        rows = [row for row in recorded(self._release, table) if _is_whole(table, row)]
        assert rows
        for row in rows:
            place = await put_back(self._accounts, table, row, self._instance)
            before = unpack(row, kind)
            found = await read(before)
            assert found is not None
            assert found.value == before

            await save(self._instance, found.value, found.etag)

            written = await now(self._accounts, table, place)
            assert written[VERSION] == ROW_VERSION
            assert unpack(written, kind) == before


def _is_whole(table: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is what the table is named after: beside deployments stands their history."""
    return table != "Deployments" or "startsAt" in row


@pytest.fixture(params=RELEASES)
def rewriting(
    request: pytest.FixtureRequest, accounts: StorageAccounts, instance: str
) -> Rewriting:
    return Rewriting(accounts, request.param, instance)


async def test_deployments_are_read_and_rewritten_in_place(
    rewriting: Rewriting, tables: Ports, instance: str
) -> None:
    port = tables.deployments
    await rewriting.check(
        "Deployments",
        Deployment,
        lambda item: port.get(instance, item.group_id, item.deployment_id),
        port.save,
    )


async def test_operations_are_read_and_rewritten_in_place(
    rewriting: Rewriting, tables: Ports, instance: str
) -> None:
    port = tables.operations
    await rewriting.check(
        "Operations", Operation, lambda item: port.get(instance, item.operation_id), port.save
    )


async def test_updates_are_read_and_rewritten_in_place(
    rewriting: Rewriting, tables: Ports, instance: str
) -> None:
    port = tables.updates
    await rewriting.check(
        "Updates", Update, lambda item: port.get(instance, item.update_id), port.save
    )
