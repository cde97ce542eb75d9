"""The service drives a model of the open-source C agent, defects included, through any story."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from local.fleet.c_agent import CAgent, Ordered
from shared.contract.codes import Action
from shared.contract.manifest import ManifestUpdateId
from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.device import DeviceState, bucket_of, deployment_state
from tests.builders.deployments import KIOSK, a_request, an_update
from tests.builders.devices import record
from tests.unit.domain.builders import V1, V2, a_change
from tests.unit.services.world import INSTANCE, World

DOWNLOAD_FAILED, INSTALL_FAILED = 0x40000005, 0x30200200
DAY = 24 * 3600.0


def read(manifest: str) -> Ordered:
    """A manifest of the tests' updates: `manifest of acme/kiosk/1.0`."""
    path = manifest.removeprefix("manifest of ")
    for update_id in (V1, V2):
        if str(update_id) == path:
            return Ordered(ManifestUpdateId(**update_id.to_wire()))
    return Ordered(None)


@dataclass
class Story:
    """One device with the C agent in a world."""

    world: World = field(default_factory=World)
    version: int = 1
    fails: dict[str, int] = field(default_factory=dict)
    delivered: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.agent = CAgent(
            "acme",
            "kiosk",
            read,
            download=lambda _: self.fails.pop("download", 0),
            install=lambda: self.fails.pop("install", 0),
        )

    @property
    def service(self) -> dict[str, Any] | None:
        twin = self.world.hub.twins.get(("d1", None))
        found = (twin.desired if twin else {}).get("deviceUpdate", {}).get("service")
        return dict(found) if found else None

    async def begin(self) -> None:
        for update_id in (V1, V2):
            await self.world.updates.add(INSTANCE, an_update(update_id))
        await self.tell(self.agent.start(None))

    async def tell(self, reports: list[dict[str, Any]]) -> None:
        """Bring reports to the service, and what it then asks to the device, until both rest."""
        for _ in range(20):
            for report in reports:
                self.world.clock.advance(1)
                twin = self.world.hub.twins.get(("d1", None))
                self.version = max(self.version, twin.version if twin else 1) + 1
                await self.world.tell(a_change(self.version, report, at=self.world.clock.now()))
            await self.world.drain()
            fresh = self.world.hub.patches[self.delivered :]
            self.delivered += len(fresh)
            if not fresh and not reports:
                return
            reports = [said for patch in fresh for said in self.agent.desired(_of(patch))]
        raise AssertionError("service and device never rest")

    async def deploy(self, update_id: Any = V2) -> None:
        self.world.clock.advance(60)
        self.number += 1
        request = a_request(
            deployment_id=f"roll-{self.number}",
            update_id=update_id,
            starts_at=self.world.clock.now(),
        )
        await self.world.deploy.create(INSTANCE, request)
        await self.tell([])

    async def work(self) -> None:
        await self.tell(self.agent.work())

    async def restart(self) -> None:
        await self.tell(self.agent.start(self.service))

    async def finish(self) -> None:
        """Until nothing happens any more."""
        for _ in range(12):
            if not self.agent.is_working:
                return
            await self.work()

    def check(self) -> None:
        """What must never be, whatever the story."""
        assert not self.agent.is_hung
        for ran in self.agent.ran:
            assert ran.reported_as == ran.steps, "old steps ran under a new update's name"

    async def state(self) -> DeviceState | None:
        return deployment_state(await record(self.world))


def _of(patch: Any) -> dict[str, Any]:
    service = patch[1]["deviceUpdate"]["service"]
    given = {name: value for name, value in service.items() if value is not None}
    workflow = {name: value for name, value in service["workflow"].items() if value is not None}
    return {**given, "workflow": workflow}


async def a_story() -> Story:
    story = Story()
    await story.begin()
    return story


async def test_the_c_agent_installs_an_update() -> None:
    story = await a_story()

    await story.deploy()
    assert story.agent.is_working
    await story.finish()

    assert await story.state() is DeviceState.SUCCEEDED
    assert story.agent.installed == ManifestUpdateId(**V2.to_wire())


async def test_a_device_that_failed_in_download_never_runs_old_steps_as_a_new_update() -> None:
    story = await a_story()
    story.fails["download"] = DOWNLOAD_FAILED
    await story.deploy(V1)
    await story.finish()
    assert await story.state() is DeviceState.FAILED

    await story.deploy(V2)
    await story.finish()
    assert story.agent.ran == []
    assert (story.service or {})["workflow"]["action"] == Action.CANCEL

    await story.restart()
    await story.finish()
    story.check()
    assert await story.state() is DeviceState.SUCCEEDED
    assert story.agent.installed == ManifestUpdateId(**V2.to_wire())


def test_the_model_itself_runs_old_steps_as_a_new_update_when_nobody_prevents_it() -> None:
    """What the service is there to prevent does happen to a service that just goes on."""
    fails = [DOWNLOAD_FAILED]
    agent = CAgent("acme", "kiosk", read, download=lambda _: fails.pop() if fails else 0)
    agent.start(None)
    for number, update_id in enumerate((V1, V2)):
        agent.desired(
            {
                "workflow": {"action": 3, "id": f"w{number}"},
                "rootKeyPackageUrl": "https://odu.example/rootkeys.json",
                "updateManifest": f"manifest of {update_id}",
            }
        )
        agent.work()
    agent.work()

    (ran,) = agent.ran
    assert (ran.reported_as, ran.steps) == (
        ManifestUpdateId(**V2.to_wire()),
        ManifestUpdateId(**V1.to_wire()),
    )


async def test_a_device_that_works_is_not_hung_by_the_next_deployment() -> None:
    story = await a_story()
    await story.deploy(V1)
    assert story.agent.is_working

    await story.deploy(V2)
    story.check()
    await story.finish()

    story.check()
    assert story.agent.installed == ManifestUpdateId(**V2.to_wire())
    assert await story.state() is DeviceState.SUCCEEDED


async def test_a_device_that_works_on_for_a_day_after_its_cancel_hangs_until_it_starts() -> None:
    """What remains: nobody can tell it from one that has died, which must not wait for ever."""
    story = await a_story()
    await story.deploy(V1)
    await story.deploy(V2)
    story.world.clock.advance(DAY + 60)
    await story.world.recount.bucket(INSTANCE, bucket_of("d1"))
    await story.tell([])
    assert story.agent.is_hung

    await story.restart()
    await story.finish()

    story.check()
    assert await story.state() is DeviceState.SUCCEEDED


async def test_a_repeated_6_reopens_neither_a_failure_nor_a_success() -> None:
    story = await a_story()
    story.fails["download"] = DOWNLOAD_FAILED
    await story.deploy(V1)
    await story.finish()
    await story.tell(story.agent.desired(story.service or {}))
    assert await story.state() is DeviceState.FAILED

    other = await a_story()
    await other.deploy(V1)
    await other.finish()
    await other.tell(other.agent.desired(other.service or {}))
    assert await other.state() is DeviceState.SUCCEEDED


async def test_a_device_that_runs_again_what_it_failed_to_install_is_not_hung_by_the_next() -> None:
    """It begins anew when it renews its token, and says only that it has begun."""
    story = await a_story()
    story.fails["install"] = INSTALL_FAILED
    await story.deploy(V1)
    await story.finish()
    assert await story.state() is DeviceState.FAILED
    await story.tell(story.agent.desired(story.service or {}))
    assert story.agent.is_working

    await story.deploy(V2)
    story.check()
    assert (story.service or {})["workflow"]["action"] == Action.CANCEL
    await story.finish()

    story.check()
    assert await story.state() is DeviceState.SUCCEEDED
    assert story.agent.installed == ManifestUpdateId(**V2.to_wire())


async def test_a_retry_of_what_a_device_runs_again_by_itself_does_not_hang_it() -> None:
    story = await a_story()
    story.fails["install"] = INSTALL_FAILED
    await story.deploy(V1)
    await story.finish()
    await story.tell(story.agent.desired(story.service or {}))
    assert story.agent.is_working

    await _retry(story)
    story.check()
    await story.finish()

    story.check()
    assert await story.state() is DeviceState.SUCCEEDED


async def test_a_retry_after_a_failed_download_gets_new_links() -> None:
    story = await a_story()
    story.fails["download"] = DOWNLOAD_FAILED
    await story.deploy(V1)
    await story.finish()
    first = (story.service or {})["workflow"]["id"]
    story.world.clock.advance(60)

    await story.world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await story.tell([])

    assert (story.service or {})["workflow"]["id"] != first
    await story.finish()
    story.check()
    assert await story.state() is DeviceState.SUCCEEDED


@pytest.mark.parametrize("end", ["cancel", "delete", "recall"])
async def test_what_nobody_wants_any_more_is_not_run_at_the_next_start(end: str) -> None:
    story = await a_story()
    story.fails["install"] = INSTALL_FAILED
    await story.deploy(V1)
    await story.finish()
    assert await story.state() is DeviceState.FAILED

    await ENDS[end](story)
    await story.restart()
    await story.finish()

    assert story.agent.ran == []
    assert story.agent.installed is None


async def _cancel(story: Story) -> None:
    await story.world.deploy.cancel(INSTANCE, "$default", KIOSK, f"roll-{story.number}")
    await story.tell([])


async def _delete(story: Story) -> None:
    await story.world.deploy.delete(INSTANCE, "$default", f"roll-{story.number}")
    await story.tell([])


async def _retry(story: Story) -> None:
    story.world.clock.advance(60)
    await story.world.deploy.retry(INSTANCE, "$default", KIOSK, f"roll-{story.number}")
    await story.tell([])


async def _recall(story: Story) -> None:
    await story.world.recalls.start(INSTANCE, V1, "bricks toasters")
    await story.tell([])


async def _fail(story: Story, phase: str, code: int) -> None:
    story.fails[phase] = code


async def _day(story: Story) -> None:
    await story.finish()  # what takes longer than that is given up: see the test of it
    story.world.clock.advance(DAY + 60)
    await story.world.sweep.run()
    await story.world.recount.bucket(INSTANCE, bucket_of("d1"))
    await story.tell([])


ENDS: dict[str, Callable[[Story], Awaitable[None]]] = {
    "cancel": _cancel,
    "delete": _delete,
    "recall": _recall,
}
DEEDS: dict[str, Callable[[Story], Awaitable[None]]] = {
    **ENDS,
    "deploy 1.0": lambda story: story.deploy(V1),
    "deploy 2.0": lambda story: story.deploy(V2),
    "retry": _retry,
    "work": Story.work,
    "finish": Story.finish,
    "restart": Story.restart,
    "renew the token": lambda story: story.tell(story.agent.desired(story.service or {})),
    "download fails": lambda story: _fail(story, "download", DOWNLOAD_FAILED),
    "install fails": lambda story: _fail(story, "install", INSTALL_FAILED),
    "a day": _day,
}


@given(st.lists(st.sampled_from(sorted(DEEDS)), min_size=3, max_size=14))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_story_hangs_the_c_agent_or_has_it_run_old_steps(deeds: list[str]) -> None:
    async def run() -> None:
        story = await a_story()
        for deed in deeds:
            try:
                await DEEDS[deed](story)
            except DeviceUpdateError:
                continue  # an operator is refused
            note(f"{deed}: {story.agent.held}")
            story.check()
        await story.restart()
        await story.finish()
        story.check()
        known = await record(story.world)
        if await story.state() is DeviceState.SUCCEEDED and known.commanded is not None:
            names = {ran.reported_as for ran in story.agent.ran}
            assert ManifestUpdateId(**known.commanded.update_id.to_wire()) in names

    asyncio.run(run())
