"""The audit log in Table Storage: one partition for each instance.

| row | holds |
|---|---|
| `e.<day><number>` | an entry; both parts count down, so that the newest comes first |
| `a.<actor>.<day><number>` | the same entry, for lists of one actor |
| `t.<target>.<day><number>` | the same entry, for lists of one target |
| `p.<request>` | a change that has begun |
| `head`, `floor` | the ends of the chain |

An entry, its copies and the head are written in one transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.adapters.table import (
    AFTER_SEPARATOR,
    SEPARATOR,
    Row,
    Table,
    change,
    columns,
    create,
    document,
    document_of,
    drop,
    key,
    pack,
    stored,
    unpack,
)
from shared.contract.audit_chain import START, Place
from shared.domain.audit import AuditQuery, Change, Entry, Head
from shared.domain.errors import ConcurrentUpdate
from shared.ports import Page, Stored

_ENTRY, _ACTOR, _TARGET, _BEGUN = "e", "a", "t", "p"
_HEAD, _FLOOR = "head", "floor"
_LAST_DAY = date.max.toordinal()
_LAST_NUMBER = 10**12 - 1
_MOST_EMPTY_PAGES = 4
"""Storage pages without a match that one page of a filter reads."""
_DROPPED_AT_ONCE = 30
"""Each is three rows of a transaction of at most a hundred."""


@dataclass(slots=True)
class TableAudit:
    """Implements `ports.AuditLog`."""

    table: Table

    async def begin(self, instance: str, change: Change) -> bool:
        """See the port."""
        row = {"begunAt": change.begun_at, **pack(change)}
        return await self.table.insert(key(instance), key(_BEGUN, change.request_id), row)

    async def begun(self, instance: str, *, before: str, size: int) -> Sequence[Change]:
        """See the port."""
        rows = await self.table.first(
            f"{_within(_BEGUN)} and begunAt lt @before",
            {"partition": key(instance), "before": before},
            size,
        )
        return [unpack(row, Change) for row in rows]

    async def discard(self, instance: str, request_id: str) -> None:
        """See the port."""
        await self.table.delete(key(instance), key(_BEGUN, request_id))

    async def head(self, instance: str) -> Stored[Head] | None:
        """See the port."""
        row = await self.table.get(key(instance), _HEAD)
        return stored(row, Head) if row else None

    async def append(
        self, instance: str, entry: Entry, head_etag: str | None, ended: str | None
    ) -> str:
        """See the port."""
        partition = key(instance)
        head = pack(Head(Place(entry["number"], entry["hash"]), entry["day"]))
        properties = _properties(entry)
        operations = [
            create(partition, _HEAD, head)
            if head_etag is None
            else change(partition, _HEAD, head, head_etag),
            *(create(partition, row, properties) for row in _rows_of(entry)),
        ]
        if ended is not None:
            operations.append(drop(partition, key(_BEGUN, ended)))
        return (await self.table.transact(operations))[0]

    async def close_day(self, instance: str, day: str) -> None:
        """See the port."""
        following = str(date.fromordinal(date.fromisoformat(day).toordinal() + 1))
        head = await self.head(instance)
        if head is None or head.value.day >= following:
            return
        closed = pack(Head(head.value.place, following))
        await self.table.replace(key(instance), _HEAD, closed, head.etag)

    async def get(self, instance: str, day: str, number: int) -> Entry | None:
        """See the port."""
        row = await self.table.get(key(instance), _row(_ENTRY, day, number))
        return _entry(row) if row else None

    async def page(
        self, instance: str, query: AuditQuery, *, token: str | None, size: int
    ) -> Page[Entry]:
        """See the port."""
        if query.target is not None:
            prefix = _of(_TARGET, query.target)
        elif query.actor is not None:
            prefix = _of(_ACTOR, query.actor)
        else:
            prefix = _ENTRY
        condition, parameters = _condition(prefix, instance, query)
        for _ in range(_MOST_EMPTY_PAGES):
            page = await self.table.page(
                condition, parameters, token=token, size=size, passes_empty=False
            )
            if page.items or page.token is None:
                break
            token = page.token
        return Page([_entry(row) for row in page.items], page.token)

    async def keyed(
        self, instance: str, first_day: str, last_day: str | None, *, token: str | None
    ) -> Page[tuple[str, int, Entry]]:
        """See the port."""
        query = AuditQuery(first_day=first_day, last_day=last_day)
        condition, parameters = _condition(_ENTRY, instance, query)
        page = await self.table.page(condition, parameters, token=token)
        return Page([(*_place(row), _entry(row)) for row in page.items], page.token)

    async def newest_until(self, instance: str, day: str) -> Place | None:
        """See the port."""
        condition, parameters = _condition(_ENTRY, instance, AuditQuery(last_day=day))
        rows = await self.table.first(condition, parameters, 1)
        entries = [_entry(row) for row in rows]
        return Place(entries[0]["number"], entries[0]["hash"]) if entries else None

    async def floor(self, instance: str) -> Place:
        """See the port."""
        row = await self.table.get(key(instance), _FLOOR)
        return unpack(row, Place) if row else START

    async def raise_floor(self, instance: str, place: Place) -> None:
        """See the port."""
        await self.table.upsert(key(instance), _FLOOR, pack(place))

    async def drop_before(self, instance: str, day: str, *, size: int) -> int:
        """See the port."""
        partition = key(instance)
        condition = "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to"
        parameters = {
            "partition": partition,
            "from": f"{_ENTRY}{SEPARATOR}{_down(_days(day) - 1, _LAST_DAY)}",
            "to": _ENTRY + AFTER_SEPARATOR,
        }
        rows = await self.table.first(condition, parameters, size)
        for at in range(0, len(rows), _DROPPED_AT_ONCE):
            some = [_entry(row) for row in rows[at : at + _DROPPED_AT_ONCE]]
            operations = [drop(partition, row) for entry in some for row in _rows_of(entry)]
            try:
                await self.table.transact(operations)
            except ConcurrentUpdate:  # a copy is gone already: one at a time
                for entry in some:
                    for row in reversed(_rows_of(entry)):
                        await self.table.delete(partition, row)
        return len(rows)


def _condition(
    prefix: str, instance: str, query: AuditQuery
) -> tuple[str, dict[str, str | int | bool]]:
    first = "" if query.last_day is None else _down(_days(query.last_day), _LAST_DAY)
    condition = "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to"
    parameters: dict[str, Any] = {
        "partition": key(instance),
        "from": f"{prefix}{SEPARATOR}{first}",
        "to": prefix + AFTER_SEPARATOR,
    }
    if query.first_day is not None:
        parameters["to"] = f"{prefix}{SEPARATOR}{_down(_days(query.first_day) - 1, _LAST_DAY)}"
    for name in ("actor", "target", "action", "result"):
        value = getattr(query, name)
        if value is not None:
            condition += f" and {name} eq @{name}"
            parameters[name] = value
    return condition, parameters


def _of(kind: str, value: str) -> str:
    """The beginning of the keys of one actor or target: their names may be longer than a key."""
    return key(kind, hashlib.sha256(value.encode()).hexdigest()[:32])


def _within(kind: str) -> str:
    """The condition for rows of a kind."""
    return (
        f"PartitionKey eq @partition and RowKey ge '{kind}{SEPARATOR}' "
        f"and RowKey lt '{kind}{AFTER_SEPARATOR}'"
    )


def _properties(entry: Entry) -> dict[str, str]:
    return {
        "actor": entry["actor"]["objectId"],
        "target": entry["target"],
        "action": entry["action"],
        "result": entry["result"],
        **columns(document(entry)),
    }


def _rows_of(entry: Entry) -> tuple[str, str, str]:
    day, number = entry["day"], entry["number"]
    return (
        _row(_ENTRY, day, number),
        _row(_of(_ACTOR, entry["actor"]["objectId"]), day, number),
        _row(_of(_TARGET, entry["target"]), day, number),
    )


def _row(prefix: str, day: str, number: int) -> str:
    return f"{prefix}{SEPARATOR}{_down(_days(day), _LAST_DAY)}{_down(number, _LAST_NUMBER)}"


def _place(row: Row) -> tuple[str, int]:
    """The day and number that a row's key says."""
    digits = row["RowKey"].rpartition(SEPARATOR)[2]
    width = len(str(_LAST_DAY))
    day = _LAST_DAY - int(digits[:width])
    return str(date.fromordinal(day)), _LAST_NUMBER - int(digits[width:])


def _days(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _down(value: int, last: int) -> str:
    """A number that sorts the other way round."""
    return f"{last - value:0{len(str(last))}d}"


def _entry(row: Row) -> Entry:
    found: Entry = json.loads(document_of(row))
    return found
