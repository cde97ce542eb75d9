"""What a device's life costs: storage requests, executions and their seconds, times list prices.

A stack of its own is counted by its own telemetry, while a fleet comes, while one roll-out goes to
all of it, and for a minute in which nothing happens. The ceiling is what the devices' reports must
cost if each comes alone: a transaction, two point reads where its rows are not at hand, and two
executions (relay and fold). Counts do not depend on the machine; how many reports share a
transaction does.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.counted import Counted, counted
from bench.harness import Options, Result
from local.demo.publisher import build
from local.fleet.device import SimulatedDevice
from local.fleet.fleet import Fleet
from local.rest import Rest
from local.stack.errors import StackError
from local.stack.running import start
from local.tools.capacity import (
    REQUESTS_A_DAY,
    ROLLOUT_EXECUTIONS,
    ROLLOUT_REQUESTS,
    UPDATES_A_ROLLOUT,
    dollars,
)
from odu_cli.deployment_bars import Counts
from odu_cli.file_server import FileServer
from odu_cli.rest import RestError

_DEVICES, _QUICK_DEVICES = 48, 12
_GROUP = "cost"
_IDLE_SECONDS = 60.0
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 600.0
_REQUESTS_ALONE = 3
"""Of a report that comes alone: device row, counter row, transaction."""
_EXECUTIONS_ALONE = 2
"""Of a report that comes alone: relay and fold."""
_GIGABYTES = 2.0
_DAY_SECONDS = 86_400
_ROLLOUT = "a roll-out"
_REQUESTS, _EXECUTIONS = "storage requests a device", "executions a device"
_OF_THE_TABLE = "in the table of capacity"
_RECKONED = {
    (_ROLLOUT, _REQUESTS): {_OF_THE_TABLE: ROLLOUT_REQUESTS},
    (_ROLLOUT, _EXECUTIONS): {_OF_THE_TABLE: ROLLOUT_EXECUTIONS},
}


@dataclass(frozen=True, slots=True)
class _Spent:
    """What was counted between two moments."""

    storage: Counter[tuple[str, str, str]]
    executions: int
    seconds: float

    @classmethod
    def between(cls, before: Counted, after: Counted) -> _Spent:
        names = {name for name in after.spans if "." not in name and name.islower()}
        names -= {"ask_device", "device_runs_update"}
        return cls(
            after.storage - before.storage,
            sum(after.spans[name] - before.spans[name] for name in names),
            sum(after.seconds[name] - before.seconds[name] for name in names),
        )

    @property
    def dollars(self) -> float:
        """By list prices."""
        return dollars(
            requests=self.storage.total(),
            executions=self.executions,
            gigabyte_seconds=self.seconds * _GIGABYTES,
        )

    def notes(self, devices: float) -> dict[str, Any]:
        """Shares of a device, by service and by function."""
        by_service: Counter[str] = Counter()
        by_function: Counter[str] = Counter()
        for (service, function, _), count in self.storage.items():
            by_service[service] += count
            by_function[function or "timers and host"] += count
        return {
            "by service": {name: n / devices for name, n in by_service.most_common()},
            "by function": {name: n / devices for name, n in by_function.most_common(6)},
            "execution seconds": self.seconds / devices,
            "dollars for 100,000": self.dollars / devices * 100_000,
        }


async def run(options: Options) -> Sequence[Result]:
    """Count requests and executions a device."""
    count = _QUICK_DEVICES if options.quick else _DEVICES
    options.say("starting the stack")
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as folder:
        async with counted() as got:
            with start(Path(folder) / "state", options=["--otlp", got.url]) as stack:
                async with Rest(stack, patience=5) as rest:
                    update = build("1.0")
                    async with FileServer() as server:
                        operation = await rest.import_update([update.offered(server)])
                        await rest.finished(operation)
                    begun = await got.up_to_now()
                    made = [
                        SimulatedDevice(f"cost-{n}", "contoso", "toaster", _GROUP)
                        for n in range(count)
                    ]
                    async with Fleet(stack, made, Path(folder) / "devices"):
                        options.say(f"{count} devices come")
                        await _until(rest, f"management/groups/{_GROUP}", "deviceCount", count)
                        known = await got.up_to_now()
                        options.say("roll-out")
                        deployment = await rest.deploy(_GROUP, update.update_id)
                        path = f"management/groups/{_GROUP}/deployments/{deployment}/status"
                        await _until_all_have_succeeded(rest, path)
                        updated = await got.up_to_now()
                        options.say("a minute of nothing")
                        await asyncio.sleep(_IDLE_SECONDS)
                        idle = await got.up_to_now()
    return [
        *_results("a device comes", _Spent.between(begun, known), count, reports=1),
        *_results(_ROLLOUT, _Spent.between(known, updated), count, reports=UPDATES_A_ROLLOUT - 1),
        _a_day(_Spent.between(updated, idle)),
    ]


def _results(name: str, spent: _Spent, devices: int, *, reports: int) -> list[Result]:
    least = {
        _REQUESTS: (spent.storage.total(), _REQUESTS_ALONE * reports),
        _EXECUTIONS: (spent.executions, _EXECUTIONS_ALONE * reports),
    }
    return [
        Result(
            name=f"cost, {name}: {what}",
            figure=figure / devices,
            unit="a device",
            ceiling=ceiling,
            ratio=figure / devices / ceiling,
            better="lower",
            notes={
                **(spent.notes(devices) if what == _REQUESTS else {}),
                **_RECKONED.get((name, what), {}),
            },
        )
        for what, (figure, ceiling) in least.items()
    ]


def _a_day(spent: _Spent) -> Result:
    """A fleet at rest costs what the timers do, however large it is."""
    share = _IDLE_SECONDS / _DAY_SECONDS
    figure = spent.storage.total() / share
    return Result(
        name="cost, a day of nothing: storage requests",
        figure=figure,
        unit="a day",
        ceiling=figure,
        ratio=1.0,
        better="lower",
        notes={
            "dollars a day": spent.dollars / share,
            _OF_THE_TABLE: REQUESTS_A_DAY,
            **spent.notes(share),
        },
    )


async def _until_all_have_succeeded(rest: Rest, path: str) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            counts = Counts.of(await rest.get(path))
            if counts.is_finished:
                break
            await asyncio.sleep(_POLL_SECONDS)
    if counts.succeeded != counts.total:
        raise StackError(f"the roll-out of the benchmark ended with {counts}")


async def _until(rest: Rest, path: str, member: str, count: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                if (await rest.get(path)).get(member) == count:
                    return
            except RestError as error:  # it is not there yet
                if error.status != 404:
                    raise
            await asyncio.sleep(_POLL_SECONDS)
