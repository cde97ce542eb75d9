"""Deletes many rows of one partition."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import batched

from shared.adapters.table import MAX_TRANSACTION, Table, drop


async def drop_rows(table: Table, partition: str, rows: Iterable[str]) -> None:
    """Delete rows by their keys, in their order and in as few transactions as it takes.

    Raises:
        ConcurrentUpdate: One of them is gone: it and those of its transaction were not deleted.
    """
    for some in batched(rows, MAX_TRANSACTION, strict=False):
        await table.transact([drop(partition, row) for row in some])
