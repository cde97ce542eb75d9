"""One Azure table, with the SDK's errors turned into the domain's.

Keys are made by `key_part`, which leaves no character that a table key may not hold and none that
sorts before the separator, so that a prefix of a key is a range of rows.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import msgspec

from shared.adapters.storage import StorageAccounts
from shared.domain.errors import (
    ConcurrentUpdate,
    DependencyFailed,
    DependencyThrottled,
    InvalidInput,
)
from shared.ports import Page, Stored
from shared.topology import Table as TableName

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.data.tables.aio import TableClient

type Row = Mapping[str, Any]
type Operation = tuple[Any, ...]

SEPARATOR = "."
AFTER_SEPARATOR = "/"
"""The character after the separator: the end of the range of a prefix."""
ROW_VERSION = 1
"""Written into every row, so that a later release can tell what it reads.

Rows without it are of release 0.1. Members that a release adds have defaults: older rows are read
as they are, and get the present form when they are written next.
"""
_VERSION = "rowVersion"
MAX_KEY = 512
"""Characters: storage allows 1 KiB, in UTF-16."""
MAX_TRANSACTION = 100
MAX_PAGE = 1000
"""Most rows that the storage answers at once."""
_SPECIAL = re.compile(rb"[^A-Za-z0-9_-]")
_CHUNK_UNITS = 30_000
_HIGH_SURROGATE = 0xD8
"""The upper byte, but for its two lowest bits, of the first half of a character beyond 16 bits."""
_CHUNKS = 15
MAX_DOCUMENT_UNITS = _CHUNKS * _CHUNK_UNITS
"""UTF-16 units of the longest document of plain text: storage allows 1 MiB a row."""
_CHUNK_BYTES = 60_000
_DOCUMENT, _COMPRESSED = "doc", "zip"
_PLACES_MISSING = ("TableNotFound", "QueueNotFound", "ContainerNotFound")


def key_part(text: str) -> str:
    """A piece of a key: letters, digits, `-` and `_` stay, every other byte becomes `~` and hex."""
    return _SPECIAL.sub(lambda byte: b"~" + byte[0].hex().encode(), text.encode()).decode()


def key(*parts: str) -> str:
    """A key of escaped parts.

    Raises:
        InvalidInput: It is longer than a table key can be.
    """
    return checked_key(SEPARATOR.join(key_part(part) for part in parts))


def checked_key(text: str) -> str:
    """The key; raises InvalidInput if it is longer than a table can hold."""
    if len(text) > MAX_KEY:
        raise InvalidInput("The names are together longer than storage can hold.")
    return text


def key_parts(text: str) -> list[str]:
    """The parts that a key is made of."""
    return [unquote(part.replace("~", "%")) for part in text.split(SEPARATOR)]


def document(value: Any) -> str:
    """A value as the document of a row.

    Raises:
        InvalidInput: It is larger than a table row can hold.
    """
    text = msgspec.json.encode(value).decode()
    if len(_chunks(text)) > _CHUNKS:
        raise InvalidInput("The document is larger than a table row can hold.")
    return text


def columns(text: str) -> dict[str, str]:
    """A document as string properties, cut where one property would grow too long."""
    return {f"{_DOCUMENT}{index}": chunk for index, chunk in enumerate(_chunks(text))}


def _chunks(text: str) -> list[str]:
    """Pieces of at most 30,000 UTF-16 units: storage counts those, and allows 32 Ki a property."""
    if text.isascii():
        return [text[at : at + _CHUNK_UNITS] for at in range(0, len(text), _CHUNK_UNITS)]
    units = text.encode("utf-16-le")
    pieces, at = [], 0
    while at < len(units):
        end = at + 2 * _CHUNK_UNITS
        if end < len(units) and units[end - 1] & 0xFC == _HIGH_SURROGATE:
            end -= 2  # no character is cut into two
        pieces.append(units[at:end].decode("utf-16-le"))
        at = end
    return pieces


def pack(value: Any) -> dict[str, str]:
    """A value as the string properties of a row.

    Raises:
        InvalidInput: It is larger than a table row can hold.
    """
    return columns(document(value))


def document_of(row: Row) -> str:
    """The document of a row, as text."""
    return "".join(row[name] for index in range(_CHUNKS) if (name := f"{_DOCUMENT}{index}") in row)


def unpack[T](row: Row, kind: type[T]) -> T:
    """The document of a row."""
    return msgspec.json.decode(document_of(row), type=kind)


def pack_compressed(value: Any) -> dict[str, bytes]:
    """A value as binary properties of a row, compressed: for documents that repeat themselves.

    Raises:
        InvalidInput: It is larger than a table row can hold.
    """
    content = zlib.compress(msgspec.json.encode(value))
    if len(content) > _CHUNK_BYTES * _CHUNKS:
        raise InvalidInput("The document is larger than a table row can hold.")
    return {
        f"{_COMPRESSED}{at // _CHUNK_BYTES}": content[at : at + _CHUNK_BYTES]
        for at in range(0, len(content), _CHUNK_BYTES)
    }


def unpack_compressed[T](row: Row, kind: type[T]) -> T:
    """The document of a row, compressed or as an earlier release wrote it."""
    parts = [row[name] for index in range(_CHUNKS) if (name := f"{_COMPRESSED}{index}") in row]
    if not parts:
        return unpack(row, kind)
    return msgspec.json.decode(zlib.decompress(b"".join(parts)), type=kind)


def etag_of(row: Row) -> str:
    """The ETag of a row as read."""
    return cast("str", cast("Any", row).metadata["etag"])


def stored[T](row: Row, kind: type[T]) -> Stored[T]:
    """The document of a row with the row's ETag."""
    return Stored(unpack(row, kind), etag_of(row))


class Table:
    """Rows of one table."""

    def __init__(self, accounts: StorageAccounts, name: TableName) -> None:
        self._accounts = accounts
        self._name = name
        self._client: TableClient | None = None

    @property
    def _table(self) -> TableClient:
        if self._client is None:
            self._client = self._accounts.tables.get_table_client(self._name)
        return self._client

    async def get(self, partition: str, row: str) -> Row | None:
        """One row; None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                return await self._table.get_entity(partition, row)
            except ResourceNotFoundError as error:
                if _is_incomplete(error):
                    raise
                return None

    async def insert(self, partition: str, row: str, properties: Row) -> bool:
        """Add a row; False if it is there already."""
        from azure.core.exceptions import ResourceExistsError

        async with translated():
            try:
                await self._table.create_entity(_entity(partition, row, properties))
            except ResourceExistsError:
                return False
            return True

    async def replace(self, partition: str, row: str, properties: Row, etag: str) -> str:
        """Replace a row that has not changed since it was read; the new ETag.

        Raises:
            ConcurrentUpdate: It has changed or is gone.
        """
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        async with translated():
            result = await self._table.update_entity(
                _entity(partition, row, properties),
                mode=UpdateMode.REPLACE,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
            )
            return str(result["etag"])

    async def upsert(
        self, partition: str, row: str, properties: Row, *, merge: bool = False
    ) -> None:
        """Write a row whatever is there."""
        from azure.data.tables import UpdateMode

        mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
        async with translated():
            await self._table.upsert_entity(_entity(partition, row, properties), mode=mode)

    async def delete(self, partition: str, row: str) -> None:
        """Delete a row; nothing happens if there is none."""
        async with translated():
            await self._table.delete_entity(partition, row)

    async def transact(self, operations: Sequence[Operation]) -> list[str]:
        """Do all or nothing, in one partition; the ETags of the written rows.

        Raises:
            ConcurrentUpdate: A row has changed, is gone, or is there already.
        """
        assert len(operations) <= MAX_TRANSACTION
        async with translated():
            results = await self._table.submit_transaction(operations)
            return [str(result.get("etag", "")) for result in results]

    async def page(
        self,
        condition: str,
        parameters: Mapping[str, Any],
        *,
        token: str | None = None,
        size: int | None = None,
        select: Iterable[str] | None = None,
        passes_empty: bool = True,
    ) -> Page[Row]:
        """One page of the rows that meet a condition; empty pages are passed over if so wished."""
        pages = self._table.query_entities(
            _spaced(condition),
            parameters=dict(parameters),
            results_per_page=size,
            select=list(select) if select else None,
        ).by_page(continuation_token=json.loads(token) if token else None)
        async with translated():
            async for rows in pages:
                items = [row async for row in rows]
                following = getattr(pages, "continuation_token", None)
                if items or not following or not passes_empty:
                    return Page(items, json.dumps(following) if following else None)
        return Page([])

    async def first(
        self,
        condition: str,
        parameters: Mapping[str, Any],
        size: int,
        *,
        select: Iterable[str] | None = None,
    ) -> list[Row]:
        """The first rows that meet a condition: fewer than `size` only if there are no more."""
        rows: list[Row] = []
        async with translated():
            query = self._table.query_entities(
                _spaced(condition),
                parameters=dict(parameters),
                results_per_page=min(size, MAX_PAGE),
                select=list(select) if select else None,
            )
            async for row in query:
                rows.append(row)
                if len(rows) == size:
                    break
        return rows

    async def all(
        self, condition: str, parameters: Mapping[str, Any], *, select: Iterable[str] | None = None
    ) -> list[Row]:
        """Every row that meets a condition."""
        async with translated():
            query = self._table.query_entities(
                _spaced(condition),
                parameters=dict(parameters),
                select=list(select) if select else None,
            )
            return [row async for row in query]


def create(partition: str, row: str, properties: Row) -> Operation:
    """Part of a transaction: add a row that must not be there."""
    return ("create", _entity(partition, row, properties))


def put(partition: str, row: str, properties: Row) -> Operation:
    """Part of a transaction: write a row whatever is there."""
    return ("upsert", _entity(partition, row, properties), {"mode": "replace"})


def change(partition: str, row: str, properties: Row, etag: str) -> Operation:
    """Part of a transaction: replace a row that must not have changed."""
    from azure.core import MatchConditions

    return (
        "update",
        _entity(partition, row, properties),
        {"mode": "replace", "etag": etag, "match_condition": MatchConditions.IfNotModified},
    )


def drop(partition: str, row: str) -> Operation:
    """Part of a transaction: delete a row that must be there."""
    return ("delete", _entity(partition, row, {}))


def remove(partition: str, row: str, etag: str) -> Operation:
    """Part of a transaction: delete a row that must not have changed."""
    from azure.core import MatchConditions

    return (
        "delete",
        _entity(partition, row, {}),
        {"etag": etag, "match_condition": MatchConditions.IfNotModified},
    )


def _spaced(condition: str) -> str:
    """The condition with its parameters apart: the SDK finds them between blanks only."""
    return " ".join(condition.replace("(", "( ").replace(")", " )").split())


def _entity(partition: str, row: str, properties: Row) -> dict[str, Any]:
    return {"PartitionKey": partition, "RowKey": row, _VERSION: ROW_VERSION, **properties}


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn what the storage SDKs raise into the domain's errors.

    Raises:
        ConcurrentUpdate: A condition failed.
        DependencyFailed: Anything else; retryable where the service was busy or out of reach.
    """
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        raise _of_status(error) from error
    except AzureError as error:
        raise DependencyFailed("Storage cannot be reached.") from error


def _is_incomplete(error: HttpResponseError) -> bool:
    """Whether not a row, message or blob is missing but the place where it would be."""
    return getattr(error, "error_code", None) in _PLACES_MISSING


def _of_status(error: HttpResponseError) -> Exception:
    status = error.status_code or 0
    if _is_incomplete(error):
        return DependencyFailed("The storage account lacks a table, queue or container.")
    if status in (404, 409, 412):
        return ConcurrentUpdate("The row changed meanwhile.")
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    wait = headers.get("Retry-After", "")
    retry_after = float(wait) if wait.isdigit() else None
    if status == 429:
        return DependencyThrottled("Storage takes no more for now.", retry_after=retry_after)
    return DependencyFailed(
        f"Storage answered {status}.",
        retryable=status >= 500 or status == 0,
        retry_after=retry_after,
    )
