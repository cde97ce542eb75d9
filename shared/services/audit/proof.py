"""Proves the audit log: checks its chain, and anchors the end of each day where nothing changes.

An anchor is a blob that is written once, in a container whose blobs storage keeps unchanged
(`infra/`): who rewrites the whole table still cannot rewrite it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from shared.contract.audit_chain import START, ChainCheck, Finding, Place
from shared.domain.audit import days_between
from shared.domain.errors import InvalidInput
from shared.ports import AuditLog, Blobs, Clock
from shared.services.paging import every

MOST_DAYS = 92
"""Days that one check covers."""
_SETTLED = timedelta(minutes=5)
"""How long after midnight a day is closed: by more than clocks of the service differ."""
_MOST_ANCHORS_A_RUN = 31
_PARALLEL_READS = 16
_DAYS_BY_DEFAULT = 31

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest place of the chain at the end of a day."""

    day: str
    place: Place


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of a check: how many entries, up to where, and the first one at fault."""

    first_day: str
    last_day: str
    entry_count: int
    finding_count: int
    anchor_count: int
    head: Place
    first: Finding | None


@dataclass(slots=True)
class AuditProof:
    """Anchors and checks the log of an instance."""

    entries: AuditLog
    blobs: Blobs
    clock: Clock
    _anchored: dict[str, str] = field(default_factory=dict)

    async def anchor(self, instance: str) -> None:
        """Anchor the days that are over; what is anchored stays as it is."""
        now = datetime.fromisoformat(self.clock.now())
        last = (now - _SETTLED).date() - timedelta(days=1)
        known = self._anchored.get(instance) or await self._newest_anchor(instance)
        begin = date.fromisoformat(known) + timedelta(days=1) if known else last
        for offset in range(min(_MOST_ANCHORS_A_RUN, (last - begin).days + 1)):
            day = str(begin + timedelta(days=offset))
            await self.entries.close_day(instance, day)
            place = await self.entries.newest_until(instance, day)
            await self._write(instance, Anchor(day, place or START))
            self._anchored[instance] = day

    async def check(self, instance: str, first_day: str | None, last_day: str | None) -> Proof:
        """Check the entries of some days, by default those of the last month.

        Raises:
            InvalidInput: The days are none, or too many for one check.
        """
        days = await self._days(instance, first_day, last_day)
        anchors = await self._anchors(instance, days)
        head = await self._top(instance, days[-1], anchors)
        floor = await self.entries.floor(instance)
        start = await self._start(instance, days[0], anchors)
        if start.number < floor.number:
            start = floor
        hashes: dict[int, set[str]] = {}
        for place in anchors.values():
            if place.number > start.number:
                hashes.setdefault(place.number, set()).add(place.hash)
        chain = ChainCheck(instance, head, hashes)
        # beyond the newest day there must be nothing: look there too
        is_newest = last_day is None or days[-1] < last_day
        await self._feed(chain, days[1], None if is_newest else days[-1], floor.number)
        found = chain.finish(start)
        if found is not None:
            log.error("audit log of %s: entry %d: %s", instance, found.number, found.reason)
        return Proof(
            first_day=days[1],
            last_day=days[-1],
            entry_count=chain.checked,
            finding_count=chain.findings,
            anchor_count=len(anchors),
            head=head,
            first=found,
        )

    async def _days(
        self, instance: str, first_day: str | None, last_day: str | None
    ) -> Sequence[str]:
        """The day before the first one to check, then each day to check."""
        today = self.clock.now()[:10]
        head = await self.entries.head(instance)
        newest = max(today, head.value.day) if head else today
        last = min(last_day or newest, newest)
        first = first_day or _earlier(last, _DAYS_BY_DEFAULT - 1)
        if first > last or len(days_between(first, last)) > MOST_DAYS:
            raise InvalidInput(f"A check covers 1 to {MOST_DAYS} days.", target="from")
        return days_between(_earlier(first, 1), last)

    async def _top(self, instance: str, last: str, anchors: Mapping[str, Place]) -> Place:
        """The newest place to check: the head's, an anchor's, or that which the log claims."""
        head = await self.entries.head(instance)
        if head is None:
            return START
        if last >= head.value.day:
            return head.value.place
        return anchors.get(last) or await self.entries.newest_until(instance, last) or START

    async def _start(self, instance: str, before: str, anchors: Mapping[str, Place]) -> Place:
        return anchors.get(before) or await self.entries.newest_until(instance, before) or START

    async def _feed(self, chain: ChainCheck, first: str, last: str | None, floor: int) -> None:
        known = every(lambda token: self.entries.keyed(chain.instance, first, last, token=token))
        async for day, number, entry in known:
            if number > floor:
                chain.feed(entry, (day, number))

    async def _anchors(self, instance: str, days: Sequence[str]) -> dict[str, Place]:
        """The anchored place of each day that has an anchor."""
        found: dict[str, Place] = {}
        for at in range(0, len(days), _PARALLEL_READS):
            some = days[at : at + _PARALLEL_READS]
            contents = await asyncio.gather(
                *(self.blobs.read("audit", _name(instance, day)) for day in some)
            )
            for day, content in zip(some, contents, strict=True):
                if content is not None:
                    document = json.loads(content)
                    found[day] = Place(int(document["number"]), str(document["hash"]))
        return found

    async def _newest_anchor(self, instance: str) -> str | None:
        names = await self._names(instance)
        return max(names).rpartition("/")[2].removesuffix(".json") if names else None

    async def _names(self, instance: str) -> list[str]:
        listed = every(lambda token: self.blobs.list("audit", f"{instance}/", token))
        return [item.name async for item in listed]

    async def _write(self, instance: str, anchor: Anchor) -> None:
        document = {
            "instanceId": instance,
            "day": anchor.day,
            "number": anchor.place.number,
            "hash": anchor.place.hash,
        }
        content = json.dumps(document, indent=1).encode()
        await self.blobs.write_once("audit", _name(instance, anchor.day), content)


def _name(instance: str, day: str) -> str:
    return f"{instance}/{day}.json"


def _earlier(day: str, days: int) -> str:
    return str(date.fromisoformat(day) - timedelta(days=days))
