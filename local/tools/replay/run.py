"""One replay from beginning to end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local.demo.publisher import NAME, PROVIDER, build
from local.rest import Rest
from local.stack.parts import hub_name, hub_part
from local.stack.running import Stack, start
from local.tools.replay.offline_hub import live
from local.tools.replay.pipeline import Pipeline, pipeline
from local.tools.replay.readers import Readers
from local.tools.replay.recording import Event, Recording
from local.tools.replay.story import GROUPS, VERSIONS, Fleet, Workflow, beginning, day
from local.tools.replay.truth import Truth
from local.tools.replay.verdict import differences, differing_reads
from odu_cli.file_server import FileServer
from shared.contract.manifest import ManifestUpdateId
from shared.domain.fleet.deployment import Deployment
from shared.domain.updates.update_id import UpdateId

PASSES = 2
_INSTANCE = "local"
_HOUR = 3600.0
_BEGINNING_SECONDS, _DAY_SECONDS = 4 * _HOUR, 20 * _HOUR
_FIRST_KILL = 0.3
_LOOK_SECONDS = 0.1

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. The Functions host is killed so many times, spread over the passes."""

    fleet: Fleet
    kills: int
    patience_seconds: float
    """How long the service may need once all is sent."""
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What was seen.

    `sent` events were sent within `seconds`, in all passes together, until the service was through
    with them; `changes` of them were twin changes that it keeps something of, which became so many
    `chunks`, events of its own. `impossible` are reads
    that were wrong at any time, `wrong` what was not right in the end, both in words.
    """

    events: int = 0
    sent: int = 0
    seconds: float = 0.0
    changes: int = 0
    chunks: int = 0
    kills: int = 0
    reads: int = 0
    interruptions: int = 0
    impossible: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@asynccontextmanager
async def replay(plan: Plan, say: Say) -> AsyncIterator[tuple[Outcome, Stack]]:
    """Replay a fleet's day into a stack of its own; what was seen, and the stack, which still
    runs while the block lasts.

    Raises:
        StackError: A stack does not come up.
        TimeoutError: The service was not through with the events in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="odu-replay-") as name,
        Recording(Path(name) / "beginning") as first,
        Recording(Path(name) / "day") as recording,
    ):
        state, truth = Path(name) / "stack", Truth()
        hub = state / hub_part(_INSTANCE)
        began_at = time.time() - _BEGINNING_SECONDS - _DAY_SECONDS
        say(f"the beginning of {len(plan.fleet.devices):,} devices")
        steps = beginning(plan.fleet, _BEGINNING_SECONDS)
        await live(hub, hub_name(_INSTANCE), steps, began_at, first)
        truth.hear(first)
        say("starting the stack")
        with start(state) as stack:
            truth.deployed(await _deployed(stack, first, plan, say))
            workflows = {
                item.group_id: Workflow(item.workflow_id, ManifestUpdateId(*_parts(item.update_id)))
                for item in truth.deployments
            }
        say("the day on which the service is away")
        steps = day(plan.fleet, workflows, _DAY_SECONDS)
        await live(hub, hub_name(_INSTANCE), steps, began_at + _BEGINNING_SECONDS, recording)
        before = truth.changes
        truth.hear(recording)
        say(f"starting the stack again, for {len(recording):,} events")
        with start(state) as stack:
            outcome = Outcome(len(recording), changes=PASSES * (truth.changes - before))
            await _replayed(stack, recording, plan, truth, outcome, say)
            yield outcome, stack


async def _deployed(stack: Stack, first: Recording, plan: Plan, say: Say) -> Sequence[Deployment]:
    """Bring the fleet in as it begins, and have updates deployed to its groups."""
    async with AsyncExitStack() as stacked:
        line = await stacked.enter_async_context(pipeline(stack))
        rest = await stacked.enter_async_context(Rest(stack, patience=5))
        server = await stacked.enter_async_context(FileServer())
        packages = {version: build(version) for version in sorted(set(VERSIONS.values()))}
        for package in packages.values():
            await rest.finished(await rest.import_update([package.offered(server)]))
        async for _ in line.send(first):
            pass
        await line.until_quiet(plan.patience_seconds)
        for group, version in VERSIONS.items():
            await rest.deploy(group, packages[version].update_id)
        say("the devices are asked to update")
        await line.until_quiet(plan.patience_seconds)
        return await line.storage.deployments()


async def _replayed(
    stack: Stack, recording: Recording, plan: Plan, truth: Truth, outcome: Outcome, say: Say
) -> None:
    async with pipeline(stack) as line, Rest(stack) as rest:
        deployments = {item.group_id: item.deployment_id for item in truth.deployments}
        readers = Readers(rest, deployments, GROUPS, len(plan.fleet.devices))
        chunks, started = await line.delivered("twin-changes"), time.perf_counter()
        async with readers.reading():
            for number in range(PASSES):
                order = shuffled(len(recording), plan.seed + number)
                say(f"pass {number + 1} of {PASSES}")
                await _pass(line, (recording[at] for at in order), plan, outcome, say)
        outcome.seconds = time.perf_counter() - started
        outcome.chunks = await line.delivered("twin-changes") - chunks
        outcome.reads, outcome.interruptions = readers.reads, readers.interruptions
        outcome.impossible = readers.impossible
        contents = await line.storage.contents(plan.fleet.buckets)
        outcome.wrong += differences(truth, contents)
        updates = [UpdateId(PROVIDER, NAME, version) for version in VERSIONS.values()]
        outcome.wrong += await differing_reads(truth, rest, updates)


async def _pass(
    line: Pipeline, events: Iterable[Event], plan: Plan, outcome: Outcome, say: Say
) -> None:
    before = outcome.sent
    async for count in line.send(events):
        outcome.sent = before + count
        say(f"{outcome.sent:,} of {PASSES * outcome.events:,} events, {outcome.kills} kills")
        if outcome.kills < plan.kills and outcome.sent >= _next_kill(plan, outcome):
            await kill_host(Path(line.stack.state))
            outcome.kills += 1
    await line.until_quiet(plan.patience_seconds)


def _next_kill(plan: Plan, outcome: Outcome) -> float:
    """After how many sent events the host is to be killed next; one kill is in the first pass."""
    return PASSES * outcome.events * (outcome.kills + _FIRST_KILL) / plan.kills


async def kill_host(state: Path) -> None:
    """Kill the Functions host of a stack at once; another one runs in its place then."""
    pid = Stack.load(state).pids["host"]
    os.kill(pid, signal.SIGKILL)
    while Stack.load(state).pids["host"] == pid:  # noqa: ASYNC110 (a file of another process)
        await asyncio.sleep(_LOOK_SECONDS)


def shuffled(count: int, seed: int) -> Iterator[int]:
    """The numbers below `count` in an order that the seed decides."""
    order = array("L", range(count))
    random.Random(seed).shuffle(order)  # noqa: S311 (a simulation)
    return iter(order)


def _parts(update_id: UpdateId) -> tuple[str, str, str]:
    return update_id.provider, update_id.name, update_id.version
