"""Twin events into the tables: events per second, and storage requests per event.

`ObserveDevices.twin_changes` runs with the real adapters against a real Azurite, eight calls at a
time, each for another device bucket: batches of 100 and chunks of 32 reports of one bucket, as the
relay makes them of a busy stream, and single reports scattered over the buckets, as on a quiet day.
Every report moves its device's counters. The ceiling writes the same rows, devices and counters, in
as large transactions, with the SDK alone: no reads, no rules. Where the process has forgotten its
devices ("cold"), requests have the floor of one point read an event besides: without the row as it
was no counter can be moved.
"""

from __future__ import annotations

import functools
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bench.azurite import azurite
from bench.harness import Options, Result, Work, compared, in_lanes, in_turns
from shared.adapters.clock import SystemClock
from shared.adapters.queues import AzureQueues
from shared.adapters.row_memory import RowMemory
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Row, Table, key
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_updates import TableUpdates
from shared.domain.fleet.device import BUCKETS, TwinChange, bucket_of
from shared.services.devices.observe import ObserveDevices
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.updates.best_updates import BestUpdates
from shared.settings import Connection

if TYPE_CHECKING:
    from shared.ports import Hub

_INSTANCE = "bench"
_CEILING = "floor"
"""Of the same length, so that its rows are as long."""
_LANES = 8
_BATCH, _CHUNK = 100, 32
_TRANSACTION = 99
"""Device rows that the service writes in one transaction, beside a row of counters."""
_ROUNDS, _QUICK_ROUNDS = 7, 3
_EVENTS, _QUICK_EVENTS = 1600, 800
_ROLLUP_SECONDS = 1.0

_SERIES = (
    ("batches of 100", _BATCH, False),
    ("chunks of 32", _CHUNK, False),
    ("single", 1, False),
    ("chunks of 32, cold", _CHUNK, True),
    ("single, cold", 1, True),
)
"""Name, events a call, and whether each call meets a process that knows no device."""


async def run(options: Options) -> Sequence[Result]:
    """Measure batches, chunks and single events, of devices that are remembered or not."""
    options.say("starting Azurite")
    async with azurite() as address, _Bench(address) as bench:
        fleet = _fleet()
        options.say(f"first events of {_LANES * _BATCH} devices")
        first = await bench.first_events(fleet)
        rows = await bench.rows(fleet)
        events = _QUICK_EVENTS if options.quick else _EVENTS
        rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
        results = []
        for name, size, is_cold in _SERIES:
            series = _Series(
                bench=bench, fleet=fleet, rows=rows, size=size, events=events, is_cold=is_cold
            )
            samples = await in_turns(
                rounds,
                {"figure": series.service, "ceiling": series.transactions},
                functools.partial(_say, options, name),
            )
            notes = {"requests an event": series.requests_by_kind(), **first}
            results += [
                compared(
                    f"twin_events, {name}",
                    "events/s",
                    samples["figure"],
                    samples["ceiling"],
                    notes={"in flight": _LANES, "events a round": events},
                ),
                compared(
                    f"twin_events, {name}: storage requests",
                    "requests/event",
                    series.requests["service"],
                    [is_cold + share for share in series.requests["transactions"]],
                    better="lower",
                    notes=notes,
                ),
            ]
            first = {}
        return results


def _say(options: Options, name: str, text: str) -> None:
    options.say(f"{name}, {text}")


@dataclass(slots=True)
class _Bench:
    """The service's observing half over an Azurite, with its requests counted."""

    address: str
    counts: Counter[str] = field(default_factory=Counter, init=False)
    accounts: StorageAccounts = field(init=False)
    memory: RowMemory = field(default_factory=RowMemory, init=False)
    observe: ObserveDevices = field(init=False)

    def __post_init__(self) -> None:
        connection = Connection(connection_string=self.address)
        self.accounts = StorageAccounts(connection, connection, lambda: None, self._count)
        clock, queues = SystemClock(), AzureQueues(self.accounts)
        fleet = TableFleet(
            buckets_table=Table(self.accounts, "Buckets"),
            groups_table=Table(self.accounts, "Groups"),
            classes_table=Table(self.accounts, "DeviceClasses"),
            rollups_table=Table(self.accounts, "Rollups"),
            clock=clock,
        )
        self.observe = ObserveDevices(
            devices=TableDevices(Table(self.accounts, "Devices"), self.memory),
            fleet=fleet,
            hub=cast("Hub", _Twins()),
            queues=queues,
            rollups=RollupScheduler(queues, _ROLLUP_SECONDS, clock),
            best_updates=BestUpdates(fleet, TableUpdates(Table(self.accounts, "Updates"))),
            reads=Pacer(1e9),
        )

    async def __aenter__(self) -> _Bench:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.accounts.tables.close()
        await self.accounts.queues.close()

    def forget(self, bucket: int, changes: Sequence[TwinChange]) -> None:
        """Know no row of these devices, as a process that meets them for the first time."""
        rows = [key("d", change.device_id) for change in changes]
        self.memory.forget(f"{bucket:02x}.{_INSTANCE}", rows)

    def _count(self, request: Any) -> None:
        sent = request.http_request
        self.counts[kind_of(sent.method, sent.url)] += 1

    async def first_events(self, fleet: Mapping[int, Sequence[str]]) -> dict[str, Any]:
        """Make the devices known; the requests that the first event of each took."""
        before = self.counts.total()
        changes = {
            bucket: [_change(device, 2) for device in devices] for bucket, devices in fleet.items()
        }
        await in_lanes(
            (_calls(self.observe, bucket, some) for bucket, some in changes.items()), _LANES
        )
        devices = sum(map(len, fleet.values()))
        return {"requests the first event of a device": (self.counts.total() - before) / devices}

    async def rows(self, fleet: Mapping[int, Sequence[str]]) -> dict[int, list[Row]]:
        """The rows that were written, by bucket, counters first."""
        table = Table(self.accounts, "Devices")
        return {
            bucket: sorted(
                await table.all(
                    "PartitionKey eq @partition", {"partition": f"{bucket:02x}.{_INSTANCE}"}
                ),
                key=lambda row: str(row["RowKey"]),
            )
            for bucket in fleet
        }


@dataclass(slots=True)
class _Series:
    """The same number of events, in calls of one size, through the service and past it."""

    bench: _Bench
    fleet: Mapping[int, Sequence[str]]
    rows: Mapping[int, Sequence[Row]]
    size: int
    events: int
    is_cold: bool
    requests: dict[str, list[float]] = field(
        default_factory=lambda: {"service": [], "transactions": []}, init=False
    )
    _kinds: Counter[str] = field(default_factory=Counter, init=False)

    async def service(self) -> float:
        """Events per second through the service."""
        before = self.bench.counts.copy()
        seconds = await self._timed(self._changes(), self._observed)
        kinds = self.bench.counts - before
        self._kinds += kinds
        self.requests["service"].append(kinds.total() / self.events)
        return self.events / seconds

    async def transactions(self) -> float:
        """Events per second when their rows are just written."""
        before = self.bench.counts.total()
        seconds = await self._timed(self._places(), self._written)
        self.requests["transactions"].append((self.bench.counts.total() - before) / self.events)
        return self.events / seconds

    def requests_by_kind(self) -> dict[str, float]:
        """Requests an event that the service sent, by what they were."""
        events = self.events * len(self.requests["service"])
        return {kind: round(count / events, 3) for kind, count in self._kinds.most_common()}

    async def _timed[T](self, items: Sequence[T], call: Callable[[T], Work]) -> float:
        started = time.perf_counter()
        await in_lanes((call(item) for item in items), _LANES)
        return time.perf_counter() - started

    def _places(self) -> list[tuple[int, list[int]]]:
        """Bucket and positions of devices within it, call by call, each bucket in turn."""
        buckets = itertools.cycle(self.fleet)
        positions: dict[int, Iterator[int]] = {
            bucket: itertools.cycle(range(len(devices))) for bucket, devices in self.fleet.items()
        }
        return [
            (bucket, [next(positions[bucket]) for _ in range(self.size)])
            for bucket in itertools.islice(buckets, self.events // self.size)
        ]

    def _changes(self) -> list[tuple[int, list[TwinChange]]]:
        return [
            (bucket, [_change(self.fleet[bucket][at], next(_versions)) for at in positions])
            for bucket, positions in self._places()
        ]

    def _observed(self, call: tuple[int, list[TwinChange]]) -> Work:
        work = _calls(self.bench.observe, *call)

        async def forgetful() -> None:
            self.bench.forget(*call)
            await work()

        return forgetful if self.is_cold else work

    def _written(self, call: tuple[int, list[int]]) -> Work:
        bucket, positions = call
        counter, *others = self.rows[bucket]
        devices = [row for row in others if not row.get("listed")]
        lists = [row for row in others if row.get("listed")]
        client = self.bench.accounts.tables.get_table_client("Devices")

        async def write() -> None:
            for some in itertools.batched(positions, _TRANSACTION // 2, strict=False):
                written = [row for at in some for row in (devices[at], lists[at])]
                entities = [counter, *written]
                await client.submit_transaction([_upsert(bucket, entity) for entity in entities])

        return write


class _Twins:
    """As much of a hub as events of devices need: twins with only a group tag."""

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        """See the port."""
        tags = {"tags": {"ADUGroup": f"group-{bucket_of(device_id) % 3}"}}
        return TwinChange(device_id, module_id, 1, tags, is_whole=True, at="")


_versions = itertools.count(3)


def kind_of(method: str, url: str) -> str:
    """What a storage request is, told from its method and URL."""
    path = url.partition("?")[0]
    if path.endswith("/$batch"):
        return "transaction"
    if path.endswith("/messages"):
        queue = path.split("/")[-2]
        return f"{queue} message"
    table = path.rpartition("/")[2].partition("(")[0]
    return f"{'read' if method == 'GET' else 'write'} of {table}"


def _fleet() -> dict[int, list[str]]:
    """The devices of some buckets spread over all, as many in each as a batch has changes."""
    wanted = range(0, BUCKETS, BUCKETS // _LANES)
    fleet: dict[int, list[str]] = {bucket: [] for bucket in wanted}
    numbers = itertools.count()
    while any(len(devices) < _BATCH for devices in fleet.values()):
        device = f"device-{next(numbers):06d}"
        devices = fleet.get(bucket_of(device))
        if devices is not None and len(devices) < _BATCH:
            devices.append(device)
    return fleet


def _change(device: str, version: int) -> TwinChange:
    """An agent's report, like the Device Update agent's own; each of a device's names another
    update than its last.
    """
    turn = version // (_LANES * _BATCH)
    update = {"provider": "contoso", "name": "appliance", "version": f"1.{turn % 2}"}
    agent = {
        "__t": "c",
        "deviceProperties": {
            "manufacturer": "contoso",
            "model": "toaster",
            "contractModelId": "dtmi:azure:iot:deviceUpdateContractModel;3",
            "aduVer": "DU;agent/1.1.0",
            "doVer": "DU;lib/v1.0.0",
        },
        "compatPropertyNames": "manufacturer,model",
        "installedUpdateId": json.dumps(update),
        "state": 0,
        "workflow": {"action": 3, "id": f"{version:08x}-0000-4000-8000-000000000000"},
        "lastInstallResult": {
            "resultCode": 700,
            "extendedResultCodes": "00000000",
            "resultDetails": "",
            "stepResults": {
                "step_0": {"resultCode": 700, "extendedResultCodes": "00000000"},
            },
        },
    }
    at = f"2026-01-01T00:00:00.{version:06d}Z"
    return TwinChange(device, None, version, {"agent": agent}, is_whole=False, at=at)


def _calls(observe: ObserveDevices, bucket: int, changes: Sequence[TwinChange]) -> Work:
    return lambda: observe.twin_changes(_INSTANCE, bucket, changes)


def _upsert(bucket: int, row: Row) -> tuple[str, dict[str, Any], dict[str, str]]:
    entity = {**row, "PartitionKey": f"{bucket:02x}.{_CEILING}"}
    return ("upsert", entity, {"mode": "replace"})
