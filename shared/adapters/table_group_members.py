"""Devices of groups that are kept together, in Table Storage, in the table of buckets.

Partition = instance, group, a word and, unless that is all, what is kept. Rows: `h` says as of when
they are, `d.<device>` a device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.table import (
    MAX_TRANSACTION,
    Operation,
    Row,
    Table,
    document,
    drop,
    etag_of,
    key,
    put,
)
from shared.adapters.table_device_lists import of_group
from shared.adapters.table_device_rows import put_as_read
from shared.adapters.table_device_writes import listed_row
from shared.adapters.table_drops import drop_rows
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, Selection

_HEAD = "h"
_DIGEST = "digest"
_CHARACTERS_A_TRANSACTION = 600_000


@dataclass(slots=True)
class TableGroupMembers:
    """Implements `ports.GroupMembers`."""

    table: Table

    async def replace(
        self, instance: str, group: str, kept: Kept, as_of: str, devices: Sequence[ListedDevice]
    ) -> None:
        """See the port."""
        partition = _partition(instance, group, kept)
        known = await self._known(partition)
        head = known.pop(_HEAD, None)
        if head is not None and head["asOf"] >= as_of:
            return
        wanted = {key("d", item.key): _digested(listed_row(item)) for item in devices}
        operations: list[Operation] = [
            put(partition, row, properties)
            for row, properties in wanted.items()
            if row not in known or known[row].get(_DIGEST) != properties[_DIGEST]
        ]
        operations += [drop(partition, row) for row in known.keys() - wanted.keys()]
        etag = etag_of(head) if head is not None else None
        for some in _transactions(operations):
            guard = put_as_read(partition, _HEAD, {"asOf": as_of}, etag)
            etag = (await self.table.transact([guard, *some]))[0]

    async def drop(self, instance: str, group: str, kept: Kept) -> None:
        """See the port."""
        partition = _partition(instance, group, kept)
        rows = sorted(await self._known(partition), reverse=True)  # the head goes first
        await drop_rows(self.table, partition, rows)

    async def find(
        self,
        instance: str,
        group: str,
        kept: Kept,
        wanted: Selection,
        *,
        after: str,
        size: int,
    ) -> Sequence[ListedDevice]:
        """See the port."""
        partition = _partition(instance, group, kept)
        return await of_group(self.table, partition, "d", wanted, after=after, size=size)

    async def _known(self, partition: str) -> dict[str, Row]:
        """The rows, without what they say of devices."""
        rows = await self.table.all(
            "PartitionKey eq @partition",
            {"partition": partition},
            select=["RowKey", "asOf", _DIGEST],
        )
        return {row["RowKey"]: row for row in rows}


def _partition(instance: str, group: str, kept: Kept) -> str:
    if kept.everything:
        return key(instance, group, "members")
    return key(instance, group, "members", hashlib.sha256(document(kept).encode()).hexdigest())


def _digested(properties: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(repr(sorted(properties.items())).encode()).hexdigest()
    return {**properties, _DIGEST: digest}


def _transactions(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Pieces that fit into a transaction beside the head; one at least."""
    piece: list[Operation] = []
    characters = 0
    for item in operations:
        size = sum(len(str(value)) for value in item[1].values())
        if len(piece) == MAX_TRANSACTION - 1 or characters + size > _CHARACTERS_A_TRANSACTION:
            yield piece
            piece, characters = [], 0
        piece.append(item)
        characters += size
    yield piece
