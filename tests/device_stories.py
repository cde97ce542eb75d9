"""Lives of devices as a hub tells them, and workers that take them in: for laws of the event path.

A story is what happens to a few devices of one bucket, a step a second: they report, change class
and group, connect, are deleted and created again, and an operator asks them for one update after
another. The hub keeps its state after each step, for whoever reads a twin meanwhile. A telling is
how the events of a story reach the service: in any order, repeated, cut into batches, by several
workers that pause and die wherever they wait for a port.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from shared.contract.codes import AgentState
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.fleet.device import TwinChange, bucket_of
from tests.fakes.hub import MemoryHub, Twin, merge_patch
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    at_second,
    busy,
    failed,
    reported,
    started,
    succeeded,
)

BUCKET = bucket_of("d1")
NEVER = "0001-01-01T00:00:00.000000+00:00"
"""What the hub says of a section that nobody has ever changed."""
MOST_WORKFLOWS = 4
GROUPS = ("lobby", "hall")


def _neighbours(count: int) -> list[str]:
    names = (f"d{number}" for number in itertools.count(1))
    return list(itertools.islice((name for name in names if bucket_of(name) == BUCKET), count))


NAMES: tuple[tuple[str, str | None], ...] = (
    *((name, None) for name in _neighbours(2)),
    (_neighbours(1)[0], "m1"),
)
"""Two devices of one bucket, and a module of the first."""


@dataclass(frozen=True)
class Deleted:
    device_id: str
    module_id: str | None
    at: str


@dataclass(frozen=True)
class Connection:
    device_id: str
    module_id: str | None
    is_connected: bool
    sequence: int
    at: str


@dataclass(frozen=True)
class Reread:
    """Somebody reads a whole twin and folds it."""

    device_id: str
    module_id: str | None


@dataclass(frozen=True)
class Asked:
    """The operator asks every device for this, its `number`th wish."""

    number: int
    commanded: DeviceCommand


type Event = TwinChange | Deleted | Connection | Reread


@dataclass
class Story:
    """Events with the second in which they happened, and the hub after each second."""

    told: list[tuple[int, Event]] = field(default_factory=list)
    asked: list[tuple[int, Asked]] = field(default_factory=list)
    hub: list[dict[tuple[str, str | None], Twin]] = field(default_factory=lambda: [{}])
    lives: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    deleted: set[tuple[str, str | None]] = field(default_factory=set)

    @property
    def end(self) -> int:
        """The last second."""
        return len(self.hub) - 1


@dataclass(frozen=True)
class Batch:
    """What reaches one worker at once: places in `Story.told`, and what befalls the worker.

    `crash_at` is the port call at which it dies (0: none), `start` how long others go first,
    `ahead` by how many seconds the hub is further than the events.
    """

    events: tuple[int, ...]
    crash_at: int = 0
    start: int = 0
    ahead: int = 0


@dataclass(frozen=True)
class Telling:
    """Rounds of batches that are handled side by side; `asks` is the round of each wish."""

    rounds: tuple[tuple[Batch, ...], ...]
    asks: tuple[int, ...]
    pauses: tuple[int, ...] = (0,)


_MOVES = (
    "report",
    "report",
    "report",
    "report",
    "start",
    "tag",
    "replace",
    "connect",
    "silence",
    "reread",
)
_REPORTS = ("busy", "succeeded", "failed", "canceled", "given up", "gone")
_SCENES = (
    (),
    ("start", "wish", "report succeeded", "wish", "report given up", "reread", "tag"),
    ("start", "wish", "delete", "wish", "report failed", "wish", "report busy"),
    ("start", "delete", "start", "connect", "tag"),
    ("start", "tag", "replace", "delete", "start", "report"),
)
"""What is rare by chance."""
_WISHES = ("next", "next", "retry", "cancel")


@st.composite
def stories(draw: st.DrawFn, *, with_deletions: bool = True, most: int = 14) -> Story:
    """A story of up to three devices; reports name what was asked for in the device's life."""
    story = Story()
    moves = [*_MOVES, *(["delete", "delete"] if with_deletions else [])]
    count = draw(st.sampled_from([1, 1, 2, 3]))
    names = draw(st.permutations(NAMES))[:count]
    scene = [move for move in draw(st.sampled_from(_SCENES)) if with_deletions or move != "delete"]
    others = st.lists(st.sampled_from([*moves, "wish", "wish"]), max_size=most - len(scene))
    asked_in_life: dict[tuple[str, str | None], list[DeviceCommand]] = {name: [] for name in NAMES}
    for move in [*scene, *draw(others)]:
        _step(draw, story, move, names[:1] if move in scene else names, asked_in_life)
    return story


def story_of_a_life_that_ends() -> Story:
    """One device reports and is deleted, then its neighbour reports: nothing is left to chance."""
    story = Story()
    gone, neighbour = NAMES[0], NAMES[1]
    for second, name in ((1, gone), (2, None), (3, neighbour)):
        twins: dict[tuple[str, str | None], Twin] = {}
        story.hub.append(twins)
        if name is None:
            story.deleted.add(gone)
            story.told.append((second, Deleted(*gone, at_second(second))))
            continue
        twins[name] = Twin(1, {}, desired_at=NEVER, reported_at=NEVER)
        story.lives[name] += 1
        report = _changed(name, twins[name], started("kiosk"), "", at_second(second))
        story.told.append((second, report))
    return story


def _step(
    draw: st.DrawFn,
    story: Story,
    move: str,
    names: Sequence[tuple[str, str | None]],
    asked_in_life: dict[tuple[str, str | None], list[DeviceCommand]],
) -> None:
    second = len(story.hub)
    twins = deepcopy(story.hub[-1])
    story.hub.append(twins)
    wishes = [each.commanded for _, each in story.asked]
    if move == "wish":
        wish = _wish(draw(st.sampled_from(_WISHES)), wishes)
        if wish is not None:
            story.asked.append((second, Asked(len(story.asked), wish)))
            for name in twins:
                asked_in_life[name].append(wish)
        return
    name = draw(st.sampled_from(names))
    device = (name[0], None)
    if device not in twins:
        _create(draw, story, twins, device, asked_in_life)
    if name not in twins:
        _create(draw, story, twins, name, asked_in_life)
    if move == "delete":
        for gone in [each for each in NAMES if name in (each, (each[0], None))]:
            twins.pop(gone, None)
            story.deleted.add(gone)
        event: Event | None = Deleted(*name, at_second(second))
    else:
        event = _event(draw, move, name, twins[name], second, asked_in_life[name])
    if event is not None:
        story.told.append((second, event))


def _create(
    draw: st.DrawFn,
    story: Story,
    twins: dict[tuple[str, str | None], Twin],
    name: tuple[str, str | None],
    asked_in_life: dict[tuple[str, str | None], list[DeviceCommand]],
) -> None:
    wishes = [each.commanded for _, each in story.asked]
    tags = draw(st.sampled_from([{}, {"ADUGroup": "hall"}]))
    twins[name] = Twin(1, tags, desired_at=NEVER, reported_at=NEVER)
    asked_in_life[name] = [] if name in story.deleted else wishes[-1:]
    story.lives[name] += 1


def _event(
    draw: st.DrawFn,
    move: str,
    name: tuple[str, str | None],
    twin: Twin,
    second: int,
    asked: Sequence[DeviceCommand],
) -> Event | None:
    """What a device or its operator does to a twin, and how the hub tells it."""
    at = at_second(second)
    match move:
        case "silence":
            twin.version += 1  # something changes that does not concern the service
            return None
        case "reread":
            return Reread(*name)
        case "connect":
            return Connection(*name, draw(st.booleans()), second, at)
        case "replace":
            twin.version += 1
            twin.tags = draw(st.sampled_from([{}, {"ADUGroup": "lobby"}]))
            return replace(_whole(name, twin), at=at, heard_at="")
        case "tag":
            return _changed(name, twin, {}, draw(st.sampled_from([*GROUPS, None])), at)
        case _:
            group = draw(st.sampled_from(["", "", "lobby"]))
            return _changed(name, twin, _report(draw, move, asked), group, at)


def _wish(kind: str, before: Sequence[DeviceCommand]) -> DeviceCommand | None:
    keys = {(item.workflow_id, item.retry_timestamp) for item in before}
    if before and kind == "cancel":
        return replace(before[-1], is_cancel=True)
    if len(keys) == MOST_WORKFLOWS:
        return None
    if before and kind == "retry":
        return replace(before[-1], retry_timestamp=f"2024-06-01T00:00:{len(keys):02}+00:00")
    update = V1 if len(keys) == 2 else V2
    return a_command(f"w{len(keys) + 1}", update_id=update, class_id="asked")


def _report(draw: st.DrawFn, move: str, asked: Sequence[DeviceCommand]) -> dict[str, Any]:
    if move == "start" or not asked:
        return started(draw(st.sampled_from(["kiosk", "gate"])))
    _, _, kind = move.partition(" ")
    commanded = asked[-1] if kind else draw(st.sampled_from(asked))
    workflow = (commanded.workflow_id, commanded.retry_timestamp)
    kind = kind or draw(st.sampled_from(_REPORTS))
    return {
        "busy": busy(*workflow),
        "succeeded": succeeded(commanded.update_id, *workflow),
        "failed": failed(*workflow),
        "canceled": reported(AgentState.IDLE, -1, *workflow),
        "given up": reported(AgentState.IDLE, 0, *workflow),
        "gone": {"deviceUpdate": {"agent": None}},
    }[kind]


def _changed(
    name: tuple[str, str | None], twin: Twin, content: dict[str, Any], group: str | None, at: str
) -> TwinChange:
    twin.version += 1
    if group != "":
        twin.tags = merge_patch(twin.tags, {"ADUGroup": group})
    if content:
        content |= {"$metadata": _times(content, at)}
        twin.reported = merge_patch(twin.reported, content)
        twin.reported_at = at
    device_id, module_id = name
    return a_change(
        twin.version, content, group=group, device_id=device_id, module_id=module_id, at=at
    )


def _times(node: dict[str, Any], at: str) -> dict[str, Any]:
    """The metadata of a patch: when each member was changed."""
    below = {key: _times(value, at) for key, value in node.items() if isinstance(value, dict)}
    leaves = {key: {"$lastUpdated": at} for key in node if key not in below}
    return {**leaves, **below, "$lastUpdated": at}


def _whole(name: tuple[str, str | None], twin: Twin) -> TwinChange:
    hub = MemoryHub()
    hub.twins[name] = twin
    found = hub.whole(*name)
    assert found is not None
    return found


@st.composite
def tellings(draw: st.DrawFn, story: Story, *, workers: int = 3) -> Telling:
    """A telling of the story: every event at least once."""
    places = list(range(len(story.told)))
    repeated = draw(st.lists(st.sampled_from(places), max_size=6)) if places else []
    left = draw(st.permutations(places + repeated))
    batches: list[Batch] = []
    while left:
        size = draw(st.integers(1, 4))
        batches.append(
            Batch(
                tuple(left[:size]),
                crash_at=draw(st.sampled_from([0, 0, 0, 0, *range(1, 13)])),
                start=draw(st.integers(0, 4)),
                ahead=draw(st.sampled_from([0, 0, 1, 5, story.end])),
            )
        )
        left = left[size:]
    rounds: list[tuple[Batch, ...]] = []
    while batches:
        size = draw(st.integers(1, workers))
        rounds.append(tuple(batches[:size]))
        batches = batches[size:]
    last = max(len(rounds) - 1, 0)
    asks = sorted(draw(st.integers(0, last)) for _ in story.asked)
    pauses = draw(st.lists(st.integers(0, 3), min_size=1, max_size=8))
    return Telling(tuple(rounds), tuple(asks), tuple(pauses))
