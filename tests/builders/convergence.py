"""Builders and looks that tests of convergence share."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.fleet.device import TwinChange
from shared.ports import Devices
from tests.device_stories import Deleted, Story
from tests.fakes.clock import FixedClock
from tests.fakes.devices import MemoryDevices
from tests.fakes.fleet import MemoryFleet
from tests.fakes.hub import Twin
from tests.story_workers import Service, StoryHub
from tests.unit.domain.builders import at_second, started

WORKERS = 3


def a_service(story: Story, pauses: Sequence[int] = (0,)) -> Service:
    """A service in memory, over no rows."""
    devices = MemoryDevices(page_size=2)

    def restarted(process: Devices) -> Devices:
        assert isinstance(process, MemoryDevices)
        return process.of_another_process()

    return Service(
        instance="factory",
        hub=StoryHub(story),
        fleet=MemoryFleet(FixedClock()),
        counters=devices,
        processes=[devices.of_another_process() for _ in range(WORKERS)],
        pauses=pauses,
        restarted=restarted,
    )


def a_story(*events: TwinChange | Deleted) -> Story:
    """A story in which the hub has the last of what is told, from the beginning."""
    twin = Twin(1, reported=started(), reported_at=at_second(1))
    story = Story(hub=[{("d1", None): twin} for _ in range(len(events) + 1)])
    story.told += enumerate(events, 1)
    story.lives["d1", None] += 1
    return story
