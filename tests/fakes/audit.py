"""The audit log in memory, with doors for tampering."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

from shared.contract.audit_chain import START, Place
from shared.domain.audit import AuditQuery, Change, Entry, Head, head_after
from shared.domain.errors import ConcurrentUpdate
from shared.ports import Page, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHECKED_AT_ONCE = 3


class MemoryAudit:
    """Implements `ports.AuditLog`; `rows` are the entries by day and number."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.notes: dict[tuple[str, str], Change] = {}
        self.heads: dict[str, Stored[Head]] = {}
        self.floors: dict[str, Place] = {}
        self._version = 0

    async def begin(self, instance: str, change: Change) -> bool:
        await asyncio.sleep(0)
        return self.notes.setdefault((instance, change.request_id), change) is change

    async def begun(self, instance: str, *, before: str, size: int) -> Sequence[Change]:
        found = [
            note
            for (of, _), note in self.notes.items()
            if of == instance and note.begun_at < before
        ]
        return found[:size]

    async def discard(self, instance: str, request_id: str) -> None:
        self.notes.pop((instance, request_id), None)

    async def head(self, instance: str) -> Stored[Head] | None:
        await asyncio.sleep(0)
        return self.heads.get(instance)

    async def append(
        self, instance: str, entry: Entry, head_etag: str | None, ended: str | None
    ) -> str:
        await asyncio.sleep(0)
        known = self.heads.get(instance)
        if (known.etag if known else None) != head_etag:
            raise ConcurrentUpdate("The head has changed.")
        if ended is not None and (instance, ended) not in self.notes:
            raise ConcurrentUpdate("The change is gone.")
        self.rows[instance, entry["day"], entry["number"]] = json.loads(json.dumps(entry))
        if ended is not None:
            del self.notes[instance, ended]
        return self._set_head(instance, head_after(entry))

    async def close_day(self, instance: str, day: str) -> None:
        head = self.heads.get(instance)
        following = f"{day[:8]}{int(day[8:]) + 1:02d}"
        if head is not None and head.value.day < following:
            self._set_head(instance, Head(head.value.place, following))

    async def get(self, instance: str, day: str, number: int) -> Entry | None:
        return self.rows.get((instance, day, number))

    async def page(
        self, instance: str, query: AuditQuery, *, token: str | None, size: int
    ) -> Page[Entry]:
        found = [
            entry
            for _, _, entry in self._of(instance, query.first_day, query.last_day)
            if query.actor in (None, entry["actor"]["objectId"])
            and all(
                getattr(query, name) in (None, entry[name])
                for name in ("target", "action", "result")
            )
        ]
        start = int(token or 0)
        following = str(start + size) if start + size < len(found) else None
        return Page(found[start : start + size], following)

    async def keyed(
        self, instance: str, first_day: str, last_day: str | None, *, token: str | None
    ) -> Page[tuple[str, int, Entry]]:
        found = self._of(instance, first_day, last_day)
        start = int(token or 0)
        end = start + _CHECKED_AT_ONCE
        return Page(found[start:end], str(end) if end < len(found) else None)

    async def newest_until(self, instance: str, day: str) -> Place | None:
        found = self._of(instance, None, day)
        return Place(found[0][2]["number"], found[0][2]["hash"]) if found else None

    async def floor(self, instance: str) -> Place:
        return self.floors.get(instance, START)

    async def raise_floor(self, instance: str, place: Place) -> None:
        self.floors[instance] = place

    async def drop_before(self, instance: str, day: str, *, size: int) -> int:
        old = [key for key in self.rows if key[0] == instance and key[1] < day][:size]
        for each in old:
            del self.rows[each]
        return len(old)

    def copy(self) -> MemoryAudit:
        """The same log, to be tampered with."""
        return copy.deepcopy(self)

    def _set_head(self, instance: str, head: Head) -> str:
        self._version += 1
        self.heads[instance] = Stored(head, str(self._version))
        return str(self._version)

    def _of(
        self, instance: str, first: str | None, last: str | None
    ) -> list[tuple[str, int, dict[str, Any]]]:
        keys = [
            (day, number)
            for of, day, number in self.rows
            if of == instance and (first is None or day >= first) and (last is None or day <= last)
        ]
        return [
            (day, number, self.rows[instance, day, number])
            for day, number in sorted(keys, reverse=True)
        ]
