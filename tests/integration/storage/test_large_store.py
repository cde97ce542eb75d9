"""The Azurite of large benchmarks answers as Azurite itself does."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tests.azurite import start_azurite
from tests.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from azure.data.tables.aio import TableClient

QUERIES = (
    "",
    "PartitionKey eq 'a'",
    "PartitionKey eq 'a' and RowKey ge '2' and RowKey lt '4'",
    "( RowKey gt '1' and PartitionKey eq 'b' ) and size eq 3",
    "PartitionKey eq 'a' or PartitionKey eq 'c'",
    "PartitionKey eq 'a' and ( size eq 1 or size eq 4 )",
    "not ( PartitionKey eq 'a' )",
    "PartitionKey ge 'a' and PartitionKey le 'b'",
    "PartitionKey eq 'a' and PartitionKey eq 'b'",
    "RowKey eq '3'",
    "PartitionKey eq 'it''s'",
    "PartitionKey eq 'nobody'",
    "PartitionKey eq",
)


@pytest.mark.asyncio
async def test_it_answers_every_query_as_azurite_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_azurite(tmp_path) as azurite:
        expected = await _answers(azurite.connection_string)
    monkeypatch.setenv("NODE_OPTIONS", f'--require "{ROOT / "bench/large_store.cjs"}"')
    async with start_azurite(tmp_path) as azurite:
        found = await _answers(azurite.connection_string)
    assert found == expected


async def _answers(connection_string: str) -> list[Any]:
    from azure.data.tables.aio import TableServiceClient

    async with TableServiceClient.from_connection_string(connection_string) as service:
        table = await service.create_table("Rows")
        for partition, row in product(("c", "a", "it's", "b"), range(5, 0, -1)):
            entity = {"PartitionKey": partition, "RowKey": str(row), "size": row}
            await table.create_entity(entity)
        await table.delete_entity("a", "3")
        return [await _answer(table, query, size) for query in QUERIES for size in (2, 100)]


async def _answer(table: TableClient, query: str, size: int) -> list[tuple[str, str]] | str:
    from azure.core.exceptions import HttpResponseError

    found = []
    try:
        async for row in table.query_entities(query, results_per_page=size):
            found.append((row["PartitionKey"], row["RowKey"]))
    except HttpResponseError as error:
        return f"{error.status_code}"
    return found
