"""The updates for one kind of device are versions of one another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.errors import LimitExceeded
from shared.domain.limits import Limits
from shared.domain.operation import OperationStatus
from shared.domain.updates.update_id import UpdateId
from shared.services.imports.compatibility import Families
from tests.builders.deployments import an_update
from tests.builders.imports import OWN, begin, the_parent
from tests.fakes.updates import MemoryHolders, MemoryUpdates
from tests.unit.services.world import INSTANCE, World, a_source_manifest

KIOSK = {"manufacturer": "acme", "model": "kiosk"}
GATE = {"manufacturer": "acme", "model": "gate"}
ONE, OTHER = UpdateId("acme", "kiosk-config", "1.0"), UpdateId("acme", "kiosk", "1.0")


async def published(updates: MemoryUpdates, families: Families, update_id: UpdateId) -> None:
    await families.claim(INSTANCE, {update_id: [KIOSK]})
    await updates.add(INSTANCE, an_update(update_id, compatibility=(KIOSK,)))


async def test_devices_are_held_for_the_first_name_with_updates_for_them() -> None:
    updates = MemoryUpdates()
    families = Families(updates, MemoryHolders())
    await published(updates, families, ONE)

    await published(updates, families, UpdateId("acme", "kiosk-config", "2.0"))
    await families.claim(INSTANCE, {OTHER: [GATE, {"model": "kiosk"}]})
    await families.claim("elsewhere", {OTHER: [KIOSK]})
    with pytest.raises(LimitExceeded) as caught:
        await families.claim(INSTANCE, {OTHER: [GATE, dict(reversed(KIOSK.items()))]})

    error = caught.value
    assert (error.code, error.target) == ("UpdateLimitExceeded", "/compatibility/1")
    assert "'acme/kiosk-config'" in error.message
    assert "the limit names_per_compatibility is 1" in error.message


async def test_devices_are_free_once_the_last_update_for_them_is_gone() -> None:
    updates = MemoryUpdates()
    families = Families(updates, MemoryHolders())
    await published(updates, families, ONE)
    await updates.add(
        INSTANCE, an_update(UpdateId("acme", "kiosk-config", "2.0"), compatibility=(GATE,))
    )
    await updates.delete(INSTANCE, ONE)

    await published(updates, families, OTHER)

    with pytest.raises(LimitExceeded):
        await families.claim(INSTANCE, {ONE: [KIOSK]})


async def test_claim_whose_update_never_came_to_be_holds_nobody_up() -> None:
    families = Families(MemoryUpdates(), MemoryHolders())
    await families.claim(INSTANCE, {ONE: [KIOSK]})

    await families.claim(INSTANCE, {OTHER: [KIOSK]})


async def test_limit_lets_more_names_in() -> None:
    updates = MemoryUpdates()
    families = Families(updates, MemoryHolders(), Limits(names_per_compatibility=2))
    await published(updates, families, ONE)
    await published(updates, families, OTHER)

    await families.claim(INSTANCE, {ONE: [KIOSK], OTHER: [KIOSK]})
    with pytest.raises(LimitExceeded):
        await families.claim(INSTANCE, {UpdateId("acme", "third", "1.0"): [KIOSK]})


def another(**changes: Any) -> dict[str, Any]:
    return a_source_manifest(updateId=OTHER.to_wire(), **changes)


async def test_import_is_refused_before_it_fetches_a_file() -> None:
    world = World()
    await begin(world, a_source_manifest())
    await world.drain()
    before = list(world.fetcher.asked)

    identity = await begin(world, another())
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.FAILED
    assert world.fetcher.asked == before


async def test_parent_and_child_of_one_import_cannot_fit_the_same_devices() -> None:
    world = World()
    step = {"type": "reference", "updateId": OTHER.to_wire()}
    parent = {**the_parent(), "instructions": {"steps": [step]}, "files": []}

    identity = await begin(world, parent, another(), files={})
    await world.fetch.run(INSTANCE, identity)

    failure = (await world.operation(identity)).failure
    assert failure is not None
    assert failure.code == "UpdateLimitExceeded"


async def test_one_of_two_imports_for_the_same_devices_wins_when_they_run_side_by_side() -> None:
    world = World()
    both = [await begin(world, a_source_manifest()), await begin(world, another())]

    for stage in (world.fetch, world.scan, world.publish):
        await asyncio.gather(*(stage.run(INSTANCE, identity) for identity in both))
    await world.drain()

    ended = [await world.operation(identity) for identity in both]
    assert sorted(one.status for one in ended) == ["Failed", "Succeeded"]
    (loser,) = (one.failure for one in ended if one.failure)
    assert loser.code == "UpdateLimitExceeded"
    assert len(await world.published()) == 1
    assert await world.published() in ([OWN], [OTHER])
