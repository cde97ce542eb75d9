"""Rows of tables that this process has seen, to be written over without reading them first."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_BYTES = 32 << 20
_BYTES_AROUND = 400
"""What an entry takes besides its document: keys, ETag, places in the order."""


class Seen(NamedTuple):
    """A row's document as text, and its ETag. As text it takes a third of the objects."""

    document: str
    etag: str


@dataclass(slots=True)
class RowMemory:
    """The rows used last, up to so many bytes, by partition and row key.

    Each may be stale: a write guarded by its ETag then fails, and whoever made it forgets the row.
    """

    max_bytes: int = MAX_BYTES
    _rows: OrderedDict[tuple[str, str], Seen] = field(default_factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    def get(self, partition: str, row: str) -> Seen | None:
        """The row as it was seen last; None if it is not remembered."""
        seen = self._rows.get((partition, row))
        if seen is not None:
            self._rows.move_to_end((partition, row))
        return seen

    def keep(self, partition: str, row: str, document: str, etag: str) -> None:
        """Remember a row."""
        self.forget(partition, [row])
        self._rows[partition, row] = seen = Seen(document, etag)
        self._bytes += _size(seen)
        while self._bytes > self.max_bytes:
            _, oldest = self._rows.popitem(last=False)
            self._bytes -= _size(oldest)

    def forget(self, partition: str, rows: Iterable[str]) -> None:
        """Forget rows, those that are not remembered as well."""
        for row in rows:
            seen = self._rows.pop((partition, row), None)
            if seen is not None:
                self._bytes -= _size(seen)


def _size(seen: Seen) -> int:
    return sys.getsizeof(seen.document) + _BYTES_AROUND
