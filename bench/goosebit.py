"""A roll-out to 2,000 devices, beside goosebit: when each device knows, when the server says so.

goosebit (PyPI, in an environment of its own) has its devices poll: every minute as it tells them,
and back to back as fast as it goes. Ours are told over MQTT with TLS: at the pace that the smallest
hub allows (`HUB_COMMANDS_PER_SECOND` is 5.7 by default), and at one that no hub slows down. Devices
of both do the least: they take note, say that they have begun, and that it is installed, without a
download. Each server has the machine to itself while it is measured. Notes say what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.goosebit_server import Goosebit, environment
from bench.harness import Options, Result, percentile
from bench.light_devices import LightDevices
from bench.told import Told
from local.demo.publisher import build
from local.rest import Rest
from local.stack.running import start
from odu_cli.file_server import FileServer
from odu_cli.rest import RestError, Unreachable, deployment_path

_DEVICES, _QUICK_DEVICES = 2_000, 100
_USUAL_POLL_SECONDS, _NO_PAUSE = 60, 0
_USUAL_COMMANDS, _FAST_COMMANDS = 5.7, 1_000.0
_LOOKED_EVERY_SECONDS = 0.25
_PATIENCE_SECONDS = 1_800.0
_SETTLED_AFTER_SECONDS = 150.0
"""A report that says the same for so long after the last device has ended says no more: the sums of
a group in 256 buckets are up to 64 seconds apart where little changes.
"""


@dataclass(frozen=True, slots=True)
class Side:
    """What one server took. `reported` is when its own report named every device, None if it never
    did; `says` is what it said last.
    """

    told: Told
    reported: float | None
    says: int


async def run(options: Options) -> Sequence[Result]:
    """Measure in seconds from the request that starts the roll-out."""
    count = _QUICK_DEVICES if options.quick else _DEVICES
    results = []
    with tempfile.TemporaryDirectory(prefix="odu-goosebit-") as folder:
        options.say("installing goosebit")
        python = await asyncio.to_thread(environment, Path(folder) / "environment")
        for name, poll_seconds, commands in (
            ("as users set it", _USUAL_POLL_SECONDS, _USUAL_COMMANDS),
            ("as fast as it goes", _NO_PAUSE, _FAST_COMMANDS),
        ):
            options.say(f"goosebit, {count} devices, {name}")
            state = Path(tempfile.mkdtemp(dir=folder))
            theirs = await _theirs(python, state, count, poll_seconds)
            options.say(f"ours, {count} devices, {name}")
            ours = await _ours(count, commands, options)
            results += _compared(name, ours, theirs)
    return results


def _compared(name: str, ours: Side, theirs: Side) -> list[Result]:
    notes = {
        "devices": ours.told.count,
        "ours": _figures(ours),
        "goosebit": _figures(theirs),
    }
    found = [("all devices know", max(ours.told.knew), max(theirs.told.knew))]
    if ours.reported is not None and theirs.reported is not None:
        found.append(("the report says so", ours.reported, theirs.reported))
    return [
        Result(
            name=f"goosebit: {what}, {name}",
            figure=figure,
            unit="s",
            ceiling=ceiling,
            ratio=figure / ceiling,
            better="lower",
            notes=notes,
        )
        for what, figure, ceiling in found
    ]


def _figures(side: Side) -> dict[str, Any]:
    knew, ended = side.told.knew, side.told.ended
    return {
        "first knows": round(min(knew), 2),
        "half know": round(percentile(knew, 50), 2),
        "all know": round(max(knew), 2),
        "all have ended": round(max(ended), 2),
        "its report names all": "never" if side.reported is None else round(side.reported, 2),
        "its report says": side.says,
    }


async def _watched(told: Told, succeeded: Callable[[], Awaitable[int]]) -> tuple[float | None, int]:
    """When a server's report has named every device, and what it said last."""
    says, changed = -1, time.perf_counter()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            now, found = time.perf_counter(), says
            with contextlib.suppress(Unreachable):  # a busy machine: look again
                found = await succeeded()
            if found != says:
                says, changed = found, now
            if says >= told.count:
                return time.perf_counter() - told.started, says
            if told.all_ended.is_set() and now - changed > _SETTLED_AFTER_SECONDS:
                return None, says
            await asyncio.sleep(_LOOKED_EVERY_SECONDS)


async def _theirs(python: Path, state: Path, count: int, poll_seconds: int) -> Side:
    told, draw = Told(count), random.Random(1)
    async with Goosebit(python, state, poll_seconds) as server:
        software = await server.publish()
        for number in range(count):
            await server.register(f"device-{number}")
        async with asyncio.TaskGroup() as group:
            # a fleet does not poll in step
            begins = [draw.uniform(0, poll_seconds) for _ in range(count)]
            loops = [
                group.create_task(server.poll(f"device-{number}", begin, told))
                for number, begin in enumerate(begins)
            ]
            await asyncio.sleep(poll_seconds / 2)  # in the middle of the fleet's round
            told.started = time.perf_counter()
            rollout = await server.roll_out(software)
            reported, says = await _watched(told, lambda: server.succeeded(rollout))
            for loop in loops:
                loop.cancel()
    return Side(told, reported, says)


async def _ours(count: int, commands_per_second: float, options: Options) -> Side:
    told = Told(count)
    settings = {"HUB_COMMANDS_PER_SECOND": str(commands_per_second)}
    with start(settings=settings) as stack:
        async with (
            Rest(stack, patience=60) as rest,
            FileServer() as server,
            LightDevices(stack, "fleet", count, told, options.say),
        ):
            package = build("1.0")
            await rest.finished(await rest.import_update([package.offered(server)]))
            await _known(rest, count)
            told.started = time.perf_counter()
            await rest.deploy("fleet", package.update_id, "roll-1", rollout={})

            async def succeeded() -> int:
                status = await rest.get(f"{deployment_path('fleet', 'roll-1')}/status")
                return sum(
                    each["devicesCompletedSucceededCount"] for each in status["subgroupStatus"]
                )

            reported, says = await _watched(told, succeeded)
    return Side(told, reported, says)


async def _known(rest: Rest, count: int) -> None:
    """Wait until the service has counted every device."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                found = await rest.get("management/groups/fleet")
            except RestError:
                found = {}  # nobody is in it yet
            if found.get("deviceCount") == count:
                return
            await asyncio.sleep(1)
