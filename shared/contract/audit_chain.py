"""The hash chain of the audit log, over entries as JSON objects.

The service that writes entries and whoever checks an export use the same few lines, so that nobody
has to trust the service for the proof. The hash of an entry is SHA-256 over its canonical JSON
without the member `hash`; the member `previousHash` is the hash of the entry with the number
before. Numbers begin at 1 and have no gaps. Entries are checked from the newest to the oldest,
starting from a hash that is trusted: so memory is bounded, and an entry that was changed together
with its hash is told apart from the one after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

GENESIS = "0" * 64
"""What the first entry of all has as the hash before it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain: the number of an entry, and the hash that it must have."""

    number: int
    hash: str


START = Place(0, GENESIS)
"""The place before the first entry."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: at which number, and why."""

    number: int
    reason: str


def entry_hash(entry: Mapping[str, Any]) -> str:
    """The hash that an entry must have: 64 hexadecimal digits."""
    rest = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class ChainCheck:
    """Checks entries that are fed from the newest to the oldest.

    Args:
        instance: The instance whose log it is; entries name it.
        head: The place of the first entry to be fed, as vouched for by the head of the log, an
            anchor or the entry after it.
        anchors: Hashes that were written elsewhere, by the number of their entry.
    """

    instance: str
    head: Place
    anchors: Mapping[int, Collection[str]] = field(default_factory=dict)
    checked: int = 0
    findings: int = 0
    first: Finding | None = None
    _number: int = field(init=False)
    _hash: str | None = field(init=False)
    """The hash that the next entry must have; None where nothing sound vouches for it."""

    def __post_init__(self) -> None:
        self._number, self._hash = self.head.number, self.head.hash
        if any(number > self._number for number in self.anchors):
            self._found(self._number + 1, "entries that an anchor vouches for are missing")

    def feed(self, entry: Mapping[str, Any], key: tuple[str, int] | None = None) -> None:
        """Check the next older entry; `key` is the day and number under which it was stored."""
        self.checked += 1
        number = entry.get("number")
        if not isinstance(number, int) or not 1 <= number <= self._number:
            where = number if isinstance(number, int) else self._number
            self._found(key[1] if key else where, "an entry stands where none belongs")
            return
        if number < self._number:
            self._found(number + 1, "entries are missing")
            self._hash = None
        fault = self._fault(entry, number, key)
        if fault is not None:
            self._found(number, fault)
        self._number = number - 1
        self._hash = str(entry.get("previousHash")) if fault is None else None

    def finish(self, floor: Place = START) -> Finding | None:
        """The first entry at fault, None if all is well.

        `floor` is the place before the oldest entry that is kept.
        """
        if self._number > floor.number:
            self._found(floor.number + 1, "entries are missing")
        elif self._hash is not None and Place(self._number, self._hash) != floor:
            self._found(self._number + 1, "it does not follow on what was there before")
        return self.first

    def _fault(
        self, entry: Mapping[str, Any], number: int, key: tuple[str, int] | None
    ) -> str | None:
        actual = entry_hash(entry)
        if actual != entry.get("hash"):
            return "it was changed"
        if self._hash is not None and actual != self._hash:
            return "it is another one than the entry after it says"
        if any(anchor != actual for anchor in self.anchors.get(number, ())):
            return "it, or one before it, is another one than its day's anchor says"
        if entry.get("instanceId") != self.instance:
            return "it belongs to another instance"
        if key is not None and key != (entry.get("day"), number):
            return "it was moved to another day"
        return None

    def _found(self, number: int, reason: str) -> None:
        self.findings += 1
        if self.first is None or number <= self.first.number:
            self.first = Finding(number, reason)
