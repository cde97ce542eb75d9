"""What the hub will never take is told: in the deployment, at the device, in events; nobody goes on
trying.
"""

from __future__ import annotations

import pytest

from shared.contract.codes import Action
from shared.domain.errors import LimitExceeded
from shared.domain.events.catalog import device_ended
from shared.domain.fleet.device import DeviceState, deployment_state
from shared.domain.fleet.export import COLUMNS, row_of
from shared.domain.fleet.listing import listed
from shared.domain.operation import OperationStatus
from shared.domain.updates.update_id import UpdateId
from shared.http.wire.devices import device
from tests.builders.deployments import KIOSK, a_world, an_update, deploy, desired, status
from tests.builders.devices import counted, record, recount
from tests.builders.explained import explained
from tests.unit.domain.builders import V2, a_change, succeeded
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer

REASON = "The hub answered 400: properties.desired would be 40000 bytes"
AZURE_LINK = "&" + "x" * 330


async def refused_world() -> World:
    world = await a_world("d1", "d2")
    world.hub.refusing["d1"] = REASON
    await deploy(world)
    return world


async def test_a_command_that_the_hub_refuses_is_a_failure_with_its_reason() -> None:
    world = await refused_world()

    known = await record(world)
    assert deployment_state(known) is DeviceState.FAILED
    assert not known.is_pending
    shown = listed(known)
    assert shown is not None
    failure = device(shown, is_on_latest=False).failure
    assert failure is not None
    assert failure.code == "50000F01"
    assert REASON in failure.message
    row = dict(zip([name for name, _ in COLUMNS], row_of(shown, is_on_latest=False), strict=True))
    assert row["failureMessage"] == failure.message
    told = device_ended(INSTANCE, None, known)
    assert told is not None
    assert told.data["message"] == failure.message
    (why,) = [each for each in (await explained(world)).reasons if each.decides]
    assert why.code == "Failed"
    assert REASON in why.message
    assert (await world.deployment("roll-1")).is_fanned_out


async def test_a_command_that_the_hub_refuses_counts_in_the_deployment_and_no_neighbour() -> None:
    world = await refused_world()

    found = await status(world)
    assert (found.counts.failed, found.counts.in_progress) == (1, 1)
    assert found.failures == {"50000F01": 1}
    assert desired(world, "d2")["workflow"]["action"] == Action.PROCESS_DEPLOYMENT
    assert {k: v for k, v in (await counted(world, "$default")).items() if v} == {
        k: v for k, v in (await recount(world)).items() if v
    }


async def test_a_refused_device_is_asked_again_by_a_retry_alone() -> None:
    world = await refused_world()
    await world.sweep.run()
    await world.drain()
    assert not [patch for name, patch in world.hub.patches if name == "d1"]

    world.hub.refusing.clear()
    world.clock.advance(60)
    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert deployment_state(await record(world)) is DeviceState.IN_PROGRESS
    name = desired(world)["workflow"]["id"]
    stamp = desired(world)["workflow"]["retryTimestamp"]
    await world.tell(a_change(3, succeeded(V2, name, stamp)))
    assert deployment_state(await record(world)) is DeviceState.SUCCEEDED


def a_family(children: int, files: int) -> tuple[dict[str, object], list[dict[str, bytes]]]:
    ids = [UpdateId("acme", f"part{number}", "1.0") for number in range(children)]
    steps = [{"type": "reference", "updateId": child.to_wire()} for child in ids]
    parent = a_source_manifest(
        {},
        updateId=UpdateId("acme", "bundle", "1.0").to_wire(),
        compatibility=[{"model": "bundle"}],
        instructions={"steps": steps},
    )
    del parent["files"]
    contents = [
        {f"file-{number}": f"{child}/{number}".encode() for number in range(files)} for child in ids
    ]
    return parent, contents


async def imported(world: World, children: int, files: int) -> object:
    parent, contents = a_family(children, files)
    offers = [
        offer(
            world,
            a_source_manifest(
                content,
                updateId=UpdateId("acme", f"part{number}", "1.0").to_wire(),
                compatibility=[{"model": f"part{number}"}],
                isDeployable=False,
            ),
            content,
        )
        for number, content in enumerate(contents)
    ]
    identity = await world.imports.start(INSTANCE, [offer(world, parent, {}), *offers], "trace")
    await world.drain()
    return await world.operation(identity)


async def test_a_parent_whose_links_no_twin_holds_is_refused_at_its_import() -> None:
    world = World()
    world.blobs.link_padding = AZURE_LINK

    operation = await imported(world, children=10, files=10)

    assert operation.status is OperationStatus.FAILED  # type: ignore[attr-defined]
    failure = operation.failure  # type: ignore[attr-defined]
    found = failure.inner or failure
    assert (found.code, found.target) == ("CommandTooLarge", "/instructions/steps")
    assert "the limit command_bytes is 30,720" in found.message
    assert await world.published() == []


async def test_a_parent_whose_links_a_twin_holds_is_imported() -> None:
    world = World()
    world.blobs.link_padding = AZURE_LINK

    operation = await imported(world, children=6, files=9)

    assert operation.status is OperationStatus.SUCCEEDED  # type: ignore[attr-defined]


async def test_an_update_of_before_whose_links_no_twin_holds_is_refused_at_its_deployment() -> None:
    world = await a_world()
    huge = UpdateId("acme", "kiosk", "3.0")
    content = {f"f{number:016d}": "00ff" for number in range(111)}
    names = dict.fromkeys(content, "file")
    await world.updates.add(INSTANCE, an_update(huge, content=content, file_names=names))
    world.blobs.link_padding = AZURE_LINK

    with pytest.raises(LimitExceeded) as refused:
        await deploy(world, update_id=huge)

    assert (refused.value.code, refused.value.target) == ("CommandTooLarge", "/update/updateId")


async def test_an_update_with_a_manifest_beyond_a_twin_warns_which_agents_it_cannot_reach() -> None:
    world = await a_world()
    files = {f"file-{number}-{'x' * 240}": b"content" for number in range(10)}
    document = a_source_manifest(files, compatibility=[{"manufacturer": "acme", "model": "kiosk"}])
    identity = await world.imports.start(INSTANCE, [offer(world, document, files)], "trace")
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.SUCCEEDED
    (warning,) = operation.warnings
    assert "DU;agent/1.1.0 and earlier" in warning
    assert "8030000B" in warning

    (imported,) = [each for each in await world.published() if each.name == "kiosk-config"]
    await deploy(world, update_id=imported)
    assert (await world.deployment("roll-1")).warnings == (warning,)
    await deploy(world, deployment_id="roll-2")
    assert (await world.deployment("roll-2")).warnings == ()
