"""Rows that earlier releases have left are read, and get the present form when they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import ROW_VERSION, key, key_parts, unpack
from shared.domain.fleet.deployment import Deployment
from shared.domain.operation import Operation
from shared.domain.updates.update import Update
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


@pytest.mark.parametrize("release", RELEASES)
async def test_deployments_are_read_and_rewritten_in_place(
    accounts: StorageAccounts, tables: Ports, instance: str, release: str
) -> None:
    rows = [row for row in recorded(release, "Deployments") if "startsAt" in row]
    assert rows
    for row in rows:
        place = await put_back(accounts, "Deployments", row, instance)
        before = unpack(row, Deployment)
        read = await tables.deployments.get(instance, before.group_id, before.deployment_id)
        assert read is not None
        assert read.value == before

        await tables.deployments.save(instance, read.value, read.etag)

        written = await now(accounts, "Deployments", place)
        assert written[VERSION] == ROW_VERSION
        assert unpack(written, Deployment) == before


@pytest.mark.parametrize("release", RELEASES)
async def test_operations_are_read_and_rewritten_in_place(
    accounts: StorageAccounts, tables: Ports, instance: str, release: str
) -> None:
    rows = list(recorded(release, "Operations"))
    assert rows
    for row in rows:
        place = await put_back(accounts, "Operations", row, instance)
        before = unpack(row, Operation)
        read = await tables.operations.get(instance, before.operation_id)
        assert read is not None
        assert read.value == before

        await tables.operations.save(instance, read.value, read.etag)

        written = await now(accounts, "Operations", place)
        assert written[VERSION] == ROW_VERSION
        assert unpack(written, Operation) == before


@pytest.mark.parametrize("release", RELEASES)
async def test_updates_are_read_and_rewritten_in_place(
    accounts: StorageAccounts, tables: Ports, instance: str, release: str
) -> None:
    rows = list(recorded(release, "Updates"))
    assert rows
    for row in rows:
        place = await put_back(accounts, "Updates", row, instance)
        before = unpack(row, Update)
        read = await tables.updates.get(instance, before.update_id)
        assert read is not None
        assert read.value == before

        await tables.updates.save(instance, read.value, read.etag)

        written = await now(accounts, "Updates", place)
        assert written[VERSION] == ROW_VERSION
        assert unpack(written, Update) == before
