"""Runs parsed queries over the hub's records, a page at a time."""

from __future__ import annotations

import base64
import hashlib
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import invalid
from local.cloud.iothub.query import parse_query
from local.cloud.iothub.query_values import UNDEFINED, is_number
from local.cloud.iothub.records import Key, scan, twin_view

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from local.cloud.iothub.query_model import Column, Query
    from local.cloud.iothub.query_values import Expression, Row


class Page(NamedTuple):
    """Some results of a query."""

    items: list[Any]
    kind: str
    """Value of the header `x-ms-item-type`."""
    continuation: str | None


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended; travels as an opaque continuation token."""

    query: str
    after: list[str]
    """Ids of the last row that was looked at, or of nothing."""
    returned: int
    """Results already returned."""


def run_query(
    connection: sqlite3.Connection, text: str, page_size: int, continuation: str | None
) -> Page:
    """Return one page of a query's results.

    Raises:
        HubError: 400, the query or the continuation token is malformed.
    """
    query = parse_query(text)
    position = _resume(text, continuation)
    left = page_size if query.top is None else min(page_size, query.top - position.returned)
    if query.is_aggregate:
        groups = _aggregate(query, (row for _, row in _rows(connection, query, ())))
        items = groups[position.returned : position.returned + left]
        more = position.returned + left < len(groups)
        return _page(query, items, position if more else None, [])
    matching = _rows(connection, query, tuple(position.after))
    taken = list(itertools.islice(matching, left))
    after = list(taken[-1][0]) if taken else []
    items = [_project(query, row) for _, row in taken]
    more = len(items) == left and next(matching, None) is not None
    return _page(query, items, position if more else None, after)


def count_rows(connection: sqlite3.Connection, text: str) -> int:
    """How many results a query has.

    Raises:
        HubError: 400, the query is malformed.
    """
    count, continuation = 0, None
    while True:
        page = run_query(connection, text, limits.QUERY_PAGE, continuation)
        count, continuation = count + len(page.items), page.continuation
        if continuation is None:
            return count


def select_keys(
    connection: sqlite3.Connection, condition: Expression, *, modules: bool = False
) -> list[Key]:
    """Return the identities whose twins satisfy a condition."""
    records = scan(connection, Key(""), modules=modules)
    return [record.key for record in records if condition(twin_view(record)) is True]


def _page(query: Query, items: list[Any], position: _Position | None, after: list[str]) -> Page:
    kind = "Raw" if query.columns is not None else "Twin"
    if query.source == "devices.jobs":
        kind = "DeviceJob"
    token = None
    if position is not None:
        returned = position.returned + len(items)
        if query.top is None or returned < query.top:
            token = _token(_Position(position.query, after, returned))
    return Page(items, kind, token)


def _resume(text: str, continuation: str | None) -> _Position:
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    if not continuation:
        return _Position(digest, [], 0)
    try:
        data = base64.urlsafe_b64decode(continuation)
        position = msgspec.msgpack.decode(data, type=_Position)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid("The continuation token is malformed.") from error
    if position.query != digest or position.returned < 0:
        raise invalid("The continuation token belongs to another query.")
    return position


def _token(position: _Position) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).decode()


def _rows(
    connection: sqlite3.Connection, query: Query, after: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Row]]:
    """Yield the rows that satisfy the query, each with the ids it is ordered by."""
    source = _job_rows if query.source == "devices.jobs" else _twin_rows
    for ids, row in source(connection, query, after):
        if query.condition(row) is True:
            yield ids, row


def _twin_rows(
    connection: sqlite3.Connection, query: Query, after: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Row]]:
    start = Key(*after) if after else Key("")
    configurations = _configurations(connection)
    for record in scan(connection, start, modules=query.source == "devices.modules"):
        row = twin_view(record)
        if applied := configurations.get(record.key):
            row["configurations"] = applied
        yield record.key, row


def _configurations(connection: sqlite3.Connection) -> dict[Key, dict[str, dict[str, str]]]:
    applied: dict[Key, dict[str, dict[str, str]]] = {}
    for device_id, module_id, name, status in connection.execute(
        "SELECT device_id, module_id, configuration_id, status FROM applied_configurations"
    ):
        applied.setdefault(Key(device_id, module_id), {})[name] = {"status": status}
    return applied


def _job_rows(
    connection: sqlite3.Connection, _: Query, after: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Row]]:
    rows = connection.execute(
        "SELECT job_id, device_id, module_id, document FROM device_jobs"
        " WHERE (job_id, device_id, module_id) > (?, ?, ?) ORDER BY job_id, device_id, module_id",
        after or ("", "", ""),
    )
    for *ids, document in rows:
        yield tuple(ids), msgspec.json.decode(document)


def _project(query: Query, row: Row) -> Row:
    if query.columns is None:
        return row
    values = ((column.name, column.value(row)) for column in query.columns)
    return {name: value for name, value in values if value is not UNDEFINED}


def _aggregate(query: Query, rows: Iterable[Row]) -> list[Row]:
    columns = query.columns or ()
    groups: dict[bytes, tuple[Row, list[_Total]]] = {}
    if not query.group_by:
        groups[_group_name(())] = ({}, [_Total() for _ in columns])
    for row in rows:
        name = _group_name(value(row) for _, value in query.group_by)
        if name not in groups:
            if len(groups) >= limits.QUERY_GROUPS:
                raise invalid(f"The query makes more than {limits.QUERY_GROUPS} groups.")
            groups[name] = (_plain_values(columns, row), [_Total() for _ in columns])
        for column, total in zip(columns, groups[name][1], strict=True):
            if column.aggregate:
                total.add(column.value(row))
    return [_summary(columns, plain, totals) for plain, totals in groups.values()]


def _group_name(values: Iterable[Any]) -> bytes:
    return msgspec.msgpack.encode([None if v is UNDEFINED else [v] for v in values])


def _plain_values(columns: tuple[Column, ...], row: Row) -> Row:
    return {column.name: column.value(row) for column in columns if not column.aggregate}


class _Total:
    """What an aggregate has seen of a group."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers = 0
        self.sum: float = 0
        self.least: Any = UNDEFINED
        self.greatest: Any = UNDEFINED

    def add(self, value: Any) -> None:
        """Count a value; missing ones do not exist, and only numbers are summed up."""
        if value is UNDEFINED:
            return
        self.count += 1
        if not is_number(value):
            return
        self.numbers += 1
        self.sum += value
        if self.numbers == 1:
            self.least = self.greatest = value
        self.least = min(self.least, value)
        self.greatest = max(self.greatest, value)

    def result(self, aggregate: str) -> Any:
        """Return the value of COUNT, SUM, AVG, MIN or MAX."""
        results: dict[str, Callable[[], Any]] = {
            "COUNT": lambda: self.count,
            "SUM": lambda: self.sum,
            "AVG": lambda: self.sum / self.numbers if self.numbers else UNDEFINED,
            "MIN": lambda: self.least,
            "MAX": lambda: self.greatest,
        }
        return results[aggregate]()


def _summary(columns: tuple[Column, ...], plain: Row, totals: list[_Total]) -> Row:
    values = {
        column.name: total.result(column.aggregate) if column.aggregate else plain[column.name]
        for column, total in zip(columns, totals, strict=True)
    }
    return {name: value for name, value in values.items() if value is not UNDEFINED}
