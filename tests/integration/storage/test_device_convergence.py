"""Stories of devices that several processes write to Table Storage end as one in memory does."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_counters import TableCounters
from shared.adapters.table_devices import TableDevices
from shared.ports import Devices
from tests.builders.convergence import a_service, a_story
from tests.device_stories import Batch, Story, Telling, stories, tellings
from tests.fakes.clock import FixedClock
from tests.fakes.fleet import MemoryFleet
from tests.story_workers import Service, StoryHub
from tests.unit.domain.builders import a_change, at_second, busy, started, succeeded

WORKERS = 2


def a_service_of_tables(accounts: StorageAccounts, story: Story, telling: Telling) -> Service:
    """A service over tables, in an instance of its own."""

    def process(_: Devices | None = None) -> Devices:
        return TableDevices(Table(accounts, "Devices"))

    return Service(
        instance=f"i-{uuid.uuid4().hex}",
        hub=StoryHub(story),
        fleet=MemoryFleet(FixedClock()),
        counters=TableCounters(Table(accounts, "Devices")),
        processes=[process() for _ in range(WORKERS)],
        pauses=telling.pauses,
        check_rounds=False,
        restarted=process,
    )


async def outcomes(
    accounts: StorageAccounts, story: Story, telling: Telling
) -> tuple[Service, dict[str, Any], dict[str, Any]]:
    """A story told to tables, and in order to memory: their outcomes."""
    ordered = a_service(story)
    await ordered.tell_in_order(story)
    told = a_service_of_tables(accounts, story, telling)
    await told.tell(story, telling)
    return told, await told.outcome(story), await ordered.outcome(story)


@given(st.data())
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_telling_to_tables_ends_as_the_story_told_in_order_in_memory(
    accounts: StorageAccounts, data: st.DataObject
) -> None:
    story = data.draw(stories())
    telling = data.draw(tellings(story, workers=WORKERS))

    _, found, expected = await outcomes(accounts, story, telling)

    assert found == expected


async def test_two_processes_lose_races_for_rows_and_counters_and_nothing_else(
    accounts: StorageAccounts,
) -> None:
    story = a_story(
        a_change(2, started("gate"), at=at_second(1)),
        a_change(3, busy(), group="lobby", at=at_second(2)),
        a_change(4, succeeded(), group="hall", at=at_second(3)),
        a_change(5, started(), at=at_second(4)),
    )
    first, second, stale = (Batch((place,)) for place in range(3))
    dying = Batch((3,), crash_at=2)
    telling = Telling(((first,), (Batch(()), second), (stale,), (dying, first)), ())

    told, found, expected = await outcomes(accounts, story, telling)

    assert found == expected
    assert told.conflicts > 0
    assert told.redelivered == told.crashes == 1
