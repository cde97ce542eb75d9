"""The parts of a replay: the same story for the same seed, and a verdict that misses nothing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.tools.replay.offline_hub import live
from local.tools.replay.readers import wrong_sums
from local.tools.replay.recording import Channel, Event, Recording
from local.tools.replay.run import shuffled
from local.tools.replay.stored import Contents
from local.tools.replay.story import (
    VERSIONS,
    Act,
    Fleet,
    Kind,
    Workflow,
    beginning,
    day,
    make_fleet,
)
from local.tools.replay.truth import Truth
from local.tools.replay.verdict import differences
from shared.contract.manifest import ManifestUpdateId
from shared.domain.fleet.device import bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECONDS = 1000.0
WORKFLOWS = {
    group: Workflow(f"workflow-{group}", ManifestUpdateId("contoso", "appliance", version))
    for group, version in VERSIONS.items()
}


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    with Recording(tmp_path / "recording") as made:
        yield made


async def record(fleet: Fleet, folder: Path, recording: Recording) -> None:
    """The whole life of a fleet, its beginning included."""
    for number, steps in enumerate((beginning(fleet, SECONDS), day(fleet, WORKFLOWS, SECONDS))):
        await live(folder / "hub", "odu-local", steps, 1e9 + number * SECONDS, recording)


def folded(events: Iterable[Event]) -> Truth:
    truth = Truth()
    truth.hear(events)
    return truth


def contents(truth: Truth) -> Contents:
    return Contents(truth.records, truth.counts, truth.histories)


def test_story_is_the_same_for_a_seed_and_another_for_another() -> None:
    one, same = make_fleet(20, 9, seed=7), make_fleet(20, 9, seed=7)

    assert list(day(one, WORKFLOWS, SECONDS)) == list(day(same, WORKFLOWS, SECONDS))
    assert make_fleet(20, 9, seed=8).devices != one.devices


def test_steps_are_in_order_of_time_and_as_many_as_asked_for() -> None:
    fleet = make_fleet(200, 25)
    steps = list(day(fleet, WORKFLOWS, SECONDS))

    assert all(one.at <= next_.at for one, next_ in pairwise(steps))
    assert set(Counter(step.device_id for step in steps).values()) == {25}
    assert {device.kind for device in fleet.devices} == set(Kind)
    assert {step.act for step in steps} == set(Act)


def test_fleet_lies_in_as_many_buckets_as_asked_for() -> None:
    assert (
        len({bucket_of(device.device_id) for device in make_fleet(200, 9, buckets=8).devices}) == 8
    )


def test_recording_is_read_in_any_order_and_written_after_reads(recording: Recording) -> None:
    events = [Event(Channel.STREAM, b'{"a": 1}'), Event(Channel.GRID, b"{}")]
    for event in events:
        recording.append(event)

    assert [recording[at] for at in (1, 0)] == events[::-1]
    recording.append(events[0])
    assert list(recording) == [*events, events[0]]


def test_order_is_a_permutation_that_the_seed_decides() -> None:
    assert sorted(shuffled(50, 1)) == list(range(50))
    assert list(shuffled(50, 1)) == list(shuffled(50, 1)) != list(shuffled(50, 2))


async def test_verdict_finds_nothing_wrong_with_what_is_right(
    tmp_path: Path, recording: Recording
) -> None:
    fleet = make_fleet(40, 9)
    await record(fleet, tmp_path, recording)
    truth = folded(recording)

    assert len(recording) > len(fleet.devices) * fleet.steps
    assert {record.commanded for record in truth.records.values()} == {None}
    assert list(differences(truth, contents(folded(recording)))) == []


async def test_verdict_finds_an_event_that_was_lost(tmp_path: Path, recording: Recording) -> None:
    fleet = make_fleet(40, 9)
    await record(fleet, tmp_path, recording)
    events = list(recording)
    lost = max(at for at, event in enumerate(events) if b"lastInstallResult" in event.body)

    found = list(differences(folded(events), contents(folded(events[:lost] + events[lost + 1 :]))))

    assert any(text.startswith("device ") for text in found), found


@pytest.mark.parametrize(
    ("numbers", "is_whole", "expected"),
    [
        ({"a": 2, "b": 3, "all": 5}, True, []),
        ({"a": 2, "b": 2, "all": 5}, False, []),
        ({"a": 2, "b": 2, "all": 5}, True, ["the parts make 4 of 5"]),
        ({"a": 3, "b": 3, "all": 5}, False, ["the parts make 6 of 5"]),
        ({"a": -1, "b": 6, "all": 5}, True, ["a is negative"]),
        ({"a": 9, "b": 0, "all": 9}, True, ["more than the 8 devices that there ever were"]),
    ],
)
def test_impossible_numbers_are_named(
    numbers: dict[str, Any], is_whole: bool, expected: list[str]
) -> None:
    assert wrong_sums(numbers, ("a", "b"), "all", 8, is_whole=is_whole) == expected
