"""However the events of a story are told, the tables end the same and the counters are exact."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.device import view
from tests.builders.convergence import WORKERS, a_service, a_story
from tests.device_stories import Batch, Deleted, Story, Telling, stories, tellings
from tests.fakes.hub import Twin
from tests.story_workers import Service, no_waiting
from tests.unit.domain.builders import a_change, at_second, busy, failed, started, succeeded


async def converged(story: Story, telling: Telling) -> Service:
    """The service that was told, once it has ended as one that was told everything in order."""
    ordered, told = a_service(story), a_service(story, telling.pauses)
    await ordered.tell_in_order(story)
    await told.tell(story, telling)
    assert await told.outcome(story) == await ordered.outcome(story)
    return told


def test_every_telling_of_a_story_ends_the_same() -> None:
    seen = Counter[str]()

    @given(stories(), st.data())
    @settings(max_examples=300, deadline=None)
    def law(story: Story, data: st.DataObject) -> None:
        telling = data.draw(tellings(story, workers=WORKERS))
        told = asyncio.run(converged(story, telling))
        seen["conflicts"] += bool(told.conflicts)
        seen["crashes"] += bool(told.crashes)
        seen["created again"] += max(story.lives.values(), default=0) > 1
        seen["moved on"] += bool(asyncio.run(told.histories()))

    with no_waiting():
        law()

    assert len(seen) == 4
    assert min(seen.values()) > 20, seen


def test_worker_that_remembers_a_stale_row_loses_the_race_and_nothing_else() -> None:
    story = a_story(
        a_change(2, started("gate"), at=at_second(1)),
        a_change(3, busy(), group="lobby", at=at_second(2)),
        a_change(4, succeeded(), at=at_second(3)),
    )
    first, second, third = (Batch((place,)) for place in range(3))
    # the second event is handled by the second worker alone
    telling = Telling(((first,), (Batch(()), second), (third,)), ())

    told = asyncio.run(converged(story, telling))

    assert (told.conflicts, told.redelivered) == (1, 0)


@pytest.mark.parametrize("call", range(1, 13))
def test_event_is_folded_once_when_its_worker_dies_at_a_port_call(call: int) -> None:
    story = a_story(
        a_change(2, started("gate"), group="hall", at=at_second(1)),
        a_change(3, failed(), group="lobby", at=at_second(2)),
    )
    batches = tuple((Batch((place,), crash_at=call),) for place in (1, 0))

    told = asyncio.run(converged(story, Telling(batches, ())))

    calls = 8  # of the first event: two rows, a twin, three notes, a commit, a message
    assert (told.crashes > 0) == (call <= calls), told.crashes


def test_change_from_before_a_deletion_that_was_heard_of_first_is_dropped() -> None:
    late = a_change(9, failed(), group="lobby", at=at_second(1))
    story = a_story(late, Deleted("d1", None, at_second(2)))
    again = Twin(2, {"ADUGroup": "hall"}, started("gate"), reported_at=at_second(3))
    story.hub = [*story.hub[:2], {}, {("d1", None): again}]
    story.told.append((3, a_change(2, started("gate"), at=at_second(3))))
    story.deleted.add(("d1", None))
    batches = tuple((Batch((place,), ahead=3),) for place in (1, 0, 2))

    told = asyncio.run(converged(story, Telling(batches, ())))

    record = asyncio.run(told.records())["d1"]
    assert view(record).group_id == "hall"
