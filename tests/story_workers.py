"""Workers that take in a story of devices: one instance's rows, ports that pause and die."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import Counts, History, contribution, history_contribution, total
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.fleet.device import DeviceRecord, TwinChange, device_key, view
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.listing import listed
from shared.domain.fleet.registers import section
from shared.ports import Counters, Devices, Fleet, Page, Stored
from shared.services.announce import Announcer
from shared.services.device_write import device_write
from shared.services.devices.observe import ObserveDevices
from shared.services.pacing import Pacer
from shared.services.retrying import retry_on_conflict
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.updates.best_updates import BestUpdates
from tests.device_stories import (
    BUCKET,
    NAMES,
    Asked,
    Batch,
    Connection,
    Deleted,
    Event,
    Reread,
    Story,
    Telling,
)
from tests.fakes.clock import FixedClock
from tests.fakes.faults import Crash
from tests.fakes.hub import MemoryHub
from tests.fakes.pausing import PausingFaults
from tests.fakes.storage import MemoryQueues
from tests.fakes.updates import MemoryUpdates


class StoryHub(MemoryHub):
    """The hub as it is in one second of a story; `second` only ever grows."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story
        self.second = 0

    def reach(self, second: int) -> None:
        """Let the story go on to a second, at least."""
        self.second = min(max(self.second, second), self._story.end)
        self.twins = self._story.hub[self.second]


@dataclass
class Service:
    """One instance's rows, and the workers over them; each sees the devices as its own process."""

    instance: str
    hub: StoryHub
    fleet: Fleet
    counters: Counters
    processes: Sequence[Devices]
    pauses: Sequence[int] = (0,)
    check_rounds: bool = True
    beside: Callable[[], Awaitable[None]] | None = None
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    updates: MemoryUpdates = field(default_factory=MemoryUpdates)
    restarted: Callable[[Devices], Devices] = lambda devices: devices
    crashes: int = 0
    conflicts: int = 0
    redelivered: int = 0
    _wishes: list[Asked] = field(default_factory=list)
    _granted: Counter[str] = field(default_factory=Counter)
    _early: list[Connection] = field(default_factory=list)

    async def tell(self, story: Story, telling: Telling) -> None:
        """Take in a story as it is told, then what was put off, and ask for the last wish."""
        asks = list(zip(telling.asks, (each for _, each in story.asked), strict=True))
        for number, batches in enumerate(telling.rounds):
            self._wishes += [wish for place, wish in asks if place == number]
            work = [self._handle(worker, story, batch) for worker, batch in enumerate(batches)]
            if self.beside is not None:
                work.append(self._until_done(self.beside))
            await asyncio.gather(*work, self._ask())
            if self.check_rounds:
                await self.assert_counters_are_exact()
        await self._end(story)

    async def tell_in_order(self, story: Story) -> None:
        """Take in every event once, as it happens."""
        for second in range(1, story.end + 1):
            self.hub.reach(second)
            self._wishes += [wish for at, wish in story.asked if at == second]
            for place, (at, _) in enumerate(story.told):
                if at == second:
                    await self._handle(0, story, Batch((place,)))
            await self._ask()
        await self._end(story)

    async def _end(self, story: Story) -> None:
        self.hub.reach(story.end)
        # nothing is taken in of connections before the first twin change: these come later here
        ends = {
            device_key(*name): e.at
            for _, e in story.told
            if isinstance(e, Deleted)
            for name in NAMES
            if (e.device_id, e.module_id) in (name, (name[0], None))
        }
        for event in sorted(self._early, key=lambda each: each.sequence):
            if event.at <= ends.get(device_key(event.device_id, event.module_id), ""):
                continue  # of a former life
            await self.observe(0).connection(
                self.instance,
                event.device_id,
                event.module_id,
                is_connected=event.is_connected,
                sequence_number=f"{event.sequence:x}",
                at=event.at,
            )
        await self._ask()
        for name in story.lives if self._wishes else ():
            await self._grant(device_key(*name), self._wishes[-1].commanded)
        await self.assert_counters_are_exact()

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except Crash:
                self.crashes += 1

    def observe(self, worker: int, faults: PausingFaults | None = None) -> ObserveDevices:
        """What a worker handles events with."""
        faults = faults or PausingFaults(self.pauses)
        around = faults.around
        queues = around(self.queues)
        fleet = around(self.fleet)
        return ObserveDevices(
            devices=around(self.processes[worker]),
            fleet=fleet,
            hub=around(self.hub),
            queues=queues,
            rollups=RollupScheduler(queues, 0.0, FixedClock()),
            best_updates=BestUpdates(fleet, around(self.updates)),
            announcer=Announcer(queues, 0.0),
            reads=Pacer(1e9),
        )

    async def _handle(self, worker: int, story: Story, batch: Batch) -> None:
        """Deliver a batch until it is handled to its end."""
        for _ in range(batch.start):
            await asyncio.sleep(0)
        if not batch.events:
            return
        latest = max(story.told[place][0] for place in batch.events)
        self.hub.reach(latest + batch.ahead)
        crash_at: int | None = batch.crash_at
        while True:
            faults = PausingFaults(self.pauses)
            faults.crash_at(crash_at or None)
            try:
                await self._deliver(worker, faults, [story.told[n][1] for n in batch.events])
            except (Crash, ConcurrentUpdate):
                self.processes = [
                    self.restarted(each) if number == worker else each
                    for number, each in enumerate(self.processes)
                ]
                crash_at = None
                self.redelivered += 1
                continue
            finally:
                self.crashes += faults.crashes
                self.conflicts += faults.conflicts
            return

    async def _deliver(self, worker: int, faults: PausingFaults, events: Sequence[Event]) -> None:
        observe = self.observe(worker, faults)
        changes = [each for each in events if isinstance(each, TwinChange)]
        if changes:
            await observe.twin_changes(self.instance, BUCKET, changes)
        for event in events:
            match event:
                case Deleted(device_id, module_id, at):
                    await observe.deleted(self.instance, device_id, module_id, at)
                case Connection(device_id, module_id, is_connected, sequence, at):
                    key = device_key(device_id, module_id)
                    rows = await self.processes[worker].load(self.instance, BUCKET, [key])
                    if not (key in rows and rows[key].value.registers):
                        self._early.append(event)
                        continue
                    await observe.connection(
                        self.instance,
                        device_id,
                        module_id,
                        is_connected=is_connected,
                        sequence_number=f"{sequence:x}",
                        at=at,
                    )
                case Reread(device_id, module_id):
                    twin = await observe.hub.read_twin(self.instance, device_id, module_id)
                    if twin is not None:
                        await observe.twin_changes(self.instance, BUCKET, [twin])
                case _:
                    pass

    async def _ask(self) -> None:
        """Ask each device that is known for every wish, one after the other."""
        for name in NAMES:
            key = device_key(*name)
            while self._granted[key] < len(self._wishes):
                wish = self._wishes[self._granted[key]].commanded
                if not await self._grant(key, wish):
                    break
                self._granted[key] += 1

    async def _grant(self, key: str, commanded: DeviceCommand) -> bool:
        devices = self.processes[0]

        async def cycle() -> bool:
            row = (await devices.load(self.instance, BUCKET, [key])).get(key)
            if row is None or not row.value.registers:
                return False
            after = replace(row.value, commanded=commanded)
            write = device_write(Announcer(), self.instance, row, after)
            if write is not None:
                await devices.commit(self.instance, BUCKET, [write])
            return True

        while True:
            try:
                return await retry_on_conflict(cycle)
            except ConcurrentUpdate:
                continue

    async def records(self) -> dict[str, DeviceRecord]:
        """Every device row."""
        devices = self.processes[0]
        rows = await _every(lambda token: devices.of_bucket(self.instance, BUCKET, token=token))
        return {row.value.key: row.value for row in rows}

    async def histories(self) -> list[History]:
        """Every history row."""
        rows = await _every(
            lambda token: self.counters.histories(self.instance, BUCKET, token=token)
        )
        return [row.value for row in rows]

    async def counts(self) -> Counts:
        """The counters, without those that are zero."""
        rows = await self.counters.counter_rows(self.instance, BUCKET)
        assert all(count > 0 for row in rows.values() for count in row.value.values()), rows
        return {place: row.value for place, row in rows.items() if row.value}

    async def installations(self, key: str) -> list[Installation]:
        """What the device did in deployments before the last."""
        found = await self.processes[0].installations(self.instance, BUCKET, key, size=100)
        return [replace(each, ended_at="") for each in found if each.deployment_id is not None]

    async def assert_counters_are_exact(self) -> None:
        """Every counter equals a recount of the rows, and none is negative."""
        records, histories = await self.records(), await self.histories()
        counted = total(
            [
                *(contribution(record) for record in records.values()),
                *(history_contribution(item) for item in histories),
            ]
        )
        assert await self.counts() == counted
        lists = await self.counters.listed_in(self.instance, BUCKET)
        shown = [item for record in records.values() if (item := listed(record)) is not None]
        assert {place: row.value for place, row in lists.items()} == {
            item.place: item for item in shown
        }

    async def outcome(self, story: Story) -> dict[str, Any]:
        """What a telling must not change.

        Of a device that was deleted, not how its former life stands in the deployments it left:
        what of its reports comes after its deletion is dropped.
        """
        stayed = {device_key(*name) for name in story.lives if name not in story.deleted}
        found: dict[str, Any] = {
            key: observable(record)
            for key, record in (await self.records()).items()
            # that a module went with its device is known from the device's own row as well
            if record.module_id is None or record.evidence or view(record).device_class
        }
        found["histories"] = sorted(
            (item.key, item.workflow_id, item.state, item.result_code, item.extended_result_codes)
            for item in await self.histories()
            if item.key in stayed
        )
        found["installations"] = [await self.installations(key) for key in sorted(stayed)]
        if not story.deleted:
            found["counts"] = await self.counts()
        return found


async def _every[T](
    page: Callable[[str | None], Awaitable[Page[Stored[T]]]],
) -> list[Stored[T]]:
    rows: list[Stored[T]] = []
    token: str | None = None
    while True:
        found = await page(token)
        rows += found.items
        if (token := found.token) is None:
            return rows


def observable(record: DeviceRecord) -> dict[str, Any]:
    """What a record says of a device, but for when and by which version of the twin it is known.

    Of a device without a class, which no list has, not its group and connection, nor, once it was
    created again, what it was asked: without a class it is asked nothing.
    """
    seen = view(record)
    what: dict[str, Any] = {
        "deleted_at": record.deleted_at,
        "class": seen.device_class,
        "evidence": {
            (item.workflow_id, item.retry_timestamp): (
                item.state,
                item.result_code,
                item.extended_result_codes,
                sorted(each.update_id for each in item.installed),
            )
            for item in record.evidence
        },
    }
    if seen.device_class is not None or not record.deleted_at:
        what |= {"state": seen.state, "commanded": record.commanded}
    if seen.device_class is not None:
        what |= {
            "section": _without_retry(section(record.registers)),
            "group": seen.group_id,
            "installed": seen.installed,
            "heard_at": record.heard_at,
            "is_connected": record.is_connected,
            "connection": (record.connection_sequence, record.connection_at),
        }
    return what


def _without_retry(content: dict[str, Any]) -> dict[str, Any]:
    """Without what an earlier workflow may have left: only evidence names the one of a report."""
    agent = content.get("agent", {})
    agent.get("workflow", {}).pop("retryTimestamp", None)
    return content


@contextmanager
def no_waiting() -> Iterator[None]:
    """Retry at once whoever loses a race."""
    with mock.patch("shared.services.retrying._FIRST_WAIT_SECONDS", 0.0):
        yield
