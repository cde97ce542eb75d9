"""Rows with ETags, and pages of them."""

from __future__ import annotations

from collections.abc import (
    Sequence,
)
from itertools import count
from typing import Any

from shared.domain.errors import (
    ConcurrentUpdate,
    InvalidInput,
)
from shared.ports import (
    Page,
    Stored,
)

etags = count(1)


class Rows[K, V]:
    """Values with ETags."""

    def __init__(self) -> None:
        self._rows: dict[K, Stored[V]] = {}

    def near(self, *place: Any) -> list[tuple[K, Stored[V]]]:
        """The rows whose key begins with a place."""
        many = len(place)
        return [(key, row) for key, row in self._rows.items() if key[:many] == place]  # type: ignore[index]

    def get(self, key: K) -> Stored[V] | None:
        return self._rows.get(key)

    def insert(self, key: K, value: V) -> bool:
        if key in self._rows:
            return False
        self.put(key, value)
        return True

    def put(self, key: K, value: V) -> Stored[V]:
        self._rows[key] = Stored(value, f"etag-{next(etags)}")
        return self._rows[key]

    def check(self, key: K, etag: str | None) -> None:
        known = self._rows.get(key)
        if (known.etag if known else None) != etag:
            raise ConcurrentUpdate("The row changed meanwhile.")

    def replace(self, key: K, value: V, etag: str) -> str:
        self.check(key, etag)
        return self.put(key, value).etag

    def delete(self, key: K) -> Stored[V] | None:
        return self._rows.pop(key, None)

    def items(self) -> list[tuple[K, Stored[V]]]:
        return list(self._rows.items())


class BucketRows[K, V](Rows[K, V]):
    """Rows whose keys begin with instance and bucket, quickly found by those."""

    def __init__(self) -> None:
        super().__init__()
        self._by_bucket: dict[Any, dict[K, Stored[V]]] = {}

    def near(self, *place: Any) -> list[tuple[K, Stored[V]]]:
        return list(self._by_bucket.get(place, {}).items())

    def put(self, key: K, value: V) -> Stored[V]:
        stored = super().put(key, value)
        self._by_bucket.setdefault(key[:2], {})[key] = stored  # type: ignore[index]
        return stored

    def delete(self, key: K) -> Stored[V] | None:
        self._by_bucket.get(key[:2], {}).pop(key, None)  # type: ignore[index]
        return super().delete(key)


def page_of[T](items: Sequence[T], token: str | None, size: int) -> Page[T]:
    try:
        start = int(token or 0)
    except ValueError:
        raise InvalidInput("The page token is not one of ours.", target="token") from None
    end = start + size
    return Page(items[start:end], str(end) if end < len(items) else None)


def page_after[T](rows: Sequence[tuple[str, T]], token: str | None, size: int) -> Page[T]:
    """A page that begins after a key, whatever rows came and went since the page before."""
    left = [row for row in rows if row[0] > (token or "")]
    return Page([row for _, row in left[:size]], left[size - 1][0] if len(left) > size else None)


def row_key(item: tuple[Any, Any]) -> Any:
    return item[0]
