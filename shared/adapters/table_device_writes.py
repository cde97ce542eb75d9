"""What a change of devices is in a transaction: rows of devices, of lists, pasts and counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.table import (
    MAX_TRANSACTION,
    Operation,
    change,
    columns,
    document,
    key,
    pack,
    put,
    remove,
)
from shared.adapters.table_device_rows import listed_key, put_as_read
from shared.domain.errors import InvalidInput
from shared.domain.fleet.counters import CounterKey, Counts, History, contribution, difference
from shared.domain.fleet.device import DeviceRecord, DeviceView, view
from shared.domain.fleet.health import health_of
from shared.domain.fleet.listing import ListedDevice, listed
from shared.domain.rollouts.ledger import with_booking
from shared.domain.rollouts.selection import rank_of, rank_text
from shared.ports import DeviceWrite, Stored

_CHARACTERS_A_TRANSACTION = 600_000
"""A transaction may hold 4 MiB, and a character may take six bytes in it."""


_DAY = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class Gone:
    """Rows that go with a write: the history of a deployment that the device takes up again, and
    the ETag of its row in the lists of a group that it leaves.
    """

    history: Stored[History] | None = None
    listed: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A write, what it does to rows beside the device's, and what it changes in the counters."""

    write: DeviceWrite
    document: str
    others: Sequence[Operation]
    counters: Counts

    @property
    def row(self) -> str:
        """Key of the device's row."""
        return key("d", self.write.after.key)

    @property
    def rows(self) -> int:
        """Rows it needs in a transaction, counters apart."""
        return 1 + len(self.others)


def change_of(partition: str, write: DeviceWrite, gone: Gone) -> Change:
    """Raises InvalidInput, with the device as its target, if a row cannot hold it."""
    counters = with_booking(
        write.booking,
        difference(
            contribution(write.before.value, write.was) if write.before else {},
            contribution(write.after, write.becomes),
            write.history,
            gone.history.value if gone.history else None,
            [(item.before.value, item.after) for item in write.revisions],
        ),
    )
    try:
        text, others = document(write.after), list(_others(partition, write, gone))
    except InvalidInput as error:
        raise InvalidInput(error.message, target=write.after.key) from error
    return Change(write, text, others, counters)


def transactions(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Pieces whose rows, counters included, fit into one transaction."""
    piece: list[Change] = []
    places: set[CounterKey] = set()
    rows = characters = 0
    for item in changes:
        grown = places | item.counters.keys()
        rows, characters = rows + item.rows, characters + len(item.document)
        if piece and (
            rows + len(grown) > MAX_TRANSACTION or characters > _CHARACTERS_A_TRANSACTION
        ):
            yield piece
            piece, grown = [], set(item.counters)
            rows, characters = item.rows, len(item.document)
        piece.append(item)
        places = grown
    if piece:
        yield piece


def device_row(partition: str, item: Change) -> Operation:
    """Write the row of a device that must be as it was read."""
    write = item.write
    properties = _device(write.after, write.becomes, write.lists, item.document)
    return put_as_read(partition, item.row, properties, write.before.etag if write.before else None)


def indexed(partition: str, row: Stored[DeviceRecord]) -> list[Operation]:
    """Write a device as it is, in the present form, with its row in the lists."""
    record, seen = row.value, view(row.value)
    item = listed(record, seen)
    properties = _device(record, seen, item, document(record))
    operations = [change(partition, key("d", record.key), properties, row.etag)]
    return operations + ([_listed(partition, item)] if item else [])


def listed_row(item: ListedDevice) -> dict[str, Any]:
    """A device in the lists, as the properties of a row."""
    return {"listed": True, **item.columns, **pack(item)}


def _device(
    record: DeviceRecord, seen: DeviceView, item: ListedDevice | None, text: str
) -> dict[str, Any]:
    health = health_of(record, seen)
    return {
        "group": "",
        "class": "",
        "state": seen.state.value if seen.state else "",
        **(item.columns if item else {}),
        "health": health.state if health else "",
        "deployment": record.commanded.deployment_id if record.commanded else "",
        "workflow": record.commanded.workflow_id if record.commanded else "",
        "rank": rank_text(rank_of(record.device_id)),
        "pending": record.is_pending,
        **columns(text),
    }


def _listed(partition: str, item: ListedDevice) -> Operation:
    return put(partition, listed_key(item.group_id, item.key), listed_row(item))


def _others(partition: str, write: DeviceWrite, gone: Gone) -> Iterator[Operation]:
    device = write.after.key
    if write.lists is not None:
        yield _listed(partition, write.lists)
    if gone.listed is not None and write.left_group is not None:
        yield remove(partition, listed_key(write.left_group, device), gone.listed)
    if write.history is not None:
        history = write.history
        yield put(partition, key("h", history.workflow_id, device), pack(history))
    if gone.history is not None:
        row = key("h", gone.history.value.workflow_id, device)
        yield remove(partition, row, gone.history.etag)
    for past in write.revisions:
        row = key("h", past.after.workflow_id, device)
        yield change(partition, row, pack(past.after), past.before.etag)
    for each in write.installations:
        row = key("i", device, each.position)
        yield put(partition, row, {"day": each.started_at[:_DAY], **pack(each)})
    for event in write.events:
        yield put(partition, key("e", event.identity), pack(event))
