"""Scanning again, and recalling what is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared import messages
from shared.domain.domain_event import EventKind
from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.operation import Operation, OperationStatus
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update_id import UpdateId
from tests.builders.deployments import AT_ONCE, desired
from tests.builders.scan_world import FILES, OWN, SCRIPT, ScanWorld, published
from tests.fakes.scanning import CLEAN
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer, sha256

BAD = replace(CLEAN, status="malicious", names=("Worm",), member_path="apply.sh!inner")

CHILD, PARTS = replace(OWN, name="child"), [{"group": "parts"}]


async def running() -> ScanWorld:
    """The world with `OWN` on its way to a device."""
    world = await published()
    await world.tell(a_change(2, started()))
    await world.drain()
    await world.deploy.create(INSTANCE, DeploymentRequest("roll-1", "$default", OWN, AT_ONCE))
    await world.drain()
    assert desired(world)["workflow"]["action"] == 3
    return world


async def best(world: World) -> list[UpdateId | None]:
    return [known.best_update for known in await world.fleet.classes(INSTANCE)]


async def assert_recalled(world: ScanWorld, *, reason: str) -> None:
    """The update, its deployment and its device are stopped, once and for all."""
    recall = (await world.update()).recall
    assert recall is not None
    assert reason in recall.reason
    deployment = await world.deployment("roll-1")
    assert deployment.recall_reason == recall.reason
    assert deployment.subgroup("a class to come").is_canceled
    assert desired(world)["workflow"] == {"action": 255, "id": deployment.workflow_id}
    assert await best(world) == [None]
    assert world.queues.messages == []


async def test_same_content_is_scanned_again_only_when_the_engine_knows_more() -> None:
    world = await published()
    ids = [replace(OWN, version=f"2.{number}") for number in range(3)]

    await world.begin(updateId=ids[0].to_wire())
    await world.drain()
    reused = world.scanner.scans
    world.scanner.rules_version = "2"
    await world.begin(updateId=ids[1].to_wire())
    await world.drain()

    assert (reused, world.scanner.scans) == (1, 2)
    versions = [(await world.update(each)).files[0].verdicts[0].rules_version for each in ids[:2]]
    assert versions == ["1", "2"]


async def test_rescan_recalls_what_new_rules_find() -> None:
    world = await running()
    await world.rescan.check()
    await world.drain()
    first = world.scanner.scans
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = BAD

    await world.rescan.check()
    await world.drain()
    for _ in range(2):
        await world.rescan.check()
    await world.drain()

    assert (first, world.scanner.scans) == (1, 2)
    await assert_recalled(world, reason="'apply.sh!inner': Worm (memory, rules 2)")
    (file,) = (await world.update()).files
    assert file.verdicts[0].status == "malicious"
    assert world.audited() == [("Automatic", "recall_update", OWN.path)]
    with pytest.raises(Conflict, match=r"was recalled: .*Worm") as refused:
        await world.deploy.create(INSTANCE, DeploymentRequest("roll-2", "$default", OWN, AT_ONCE))
    assert refused.value.code == "UpdateRecalled"
    with pytest.raises(Conflict):
        await world.deploy.retry(INSTANCE, "$default", "any", "roll-1")
    page = await world.operations.list(INSTANCE, None, kind="rescan")
    assert [item.value.status for item in page.items] == [OperationStatus.SUCCEEDED] * 2


async def test_rescan_says_that_it_could_not_look_and_is_made_again_later() -> None:
    world = await published()
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = replace(CLEAN, status="error", reason="no memory")
    await world.rescan.check()
    await world.drain()

    (failed,) = await rescans(world)
    world.scanner.verdicts.clear()
    await world.rescan.check()
    soon = len(await rescans(world))
    world.clock.advance(3601)
    await world.rescan.check()
    await world.drain()

    assert failed.failure is not None
    assert "no memory" in failed.failure.message
    assert (failed.status, soon) == (OperationStatus.FAILED, 1)
    assert (await rescans(world))[0].status is OperationStatus.SUCCEEDED
    assert (await world.update()).recall is None


async def rescans(world: World) -> list[Operation]:
    page = await world.operations.list(INSTANCE, None, kind="rescan")
    return [item.value for item in page.items]


async def test_rescan_goes_through_every_file_of_every_update() -> None:
    world = ScanWorld()
    for number in range(4):
        files = {f"{name}{number}": f"{name} {number}".encode() for name in "abc"}
        manifest = a_source_manifest(files, updateId={**OWN.to_wire(), "version": f"3.{number}"})
        await world.imports.start(INSTANCE, [offer(world, manifest, files)], "trace")
    await world.drain()
    world.scanner.rules_version = "2"

    one = await world.rescan.start(INSTANCE, "trace")
    same = await world.rescan.start(INSTANCE, "trace")
    await world.drain()

    assert one == same
    assert world.scanner.scans == 24
    operation = await world.operation(one)
    assert (operation.status, operation.files_scanned) == (OperationStatus.SUCCEEDED, 12)
    for update_id in await world.published():
        files_of = (await world.update(update_id)).files
        assert {each.verdicts[0].rules_version for each in files_of} == {"2"}


async def test_recall_of_a_part_takes_its_parent_along() -> None:
    world = ScanWorld()
    reference = {"type": "reference", "updateId": CHILD.to_wire()}
    steps = [*a_source_manifest(FILES)["instructions"]["steps"], reference]
    parent = a_source_manifest(FILES, instructions={"steps": steps})
    child = a_source_manifest(FILES, updateId=CHILD.to_wire(), compatibility=PARTS)
    items = [offer(world, each, FILES) for each in (parent, child)]
    await world.imports.start(INSTANCE, items, "trace")
    await world.drain()

    await world.recalls.start(INSTANCE, CHILD, "burns the flash")
    await world.drain()
    again = await world.recalls.start(INSTANCE, CHILD, "another reason")
    await world.drain()
    late = await world.begin(updateId={**OWN.to_wire(), "version": "9.9"}, **steps_of(reference))
    await world.drain()

    whole, part = (await world.update()).recall, (await world.update(CHILD)).recall
    assert part is not None
    assert whole is not None
    assert part.reason == "burns the flash"
    assert whole.reason == f"It holds the recalled update '{CHILD}': burns the flash"
    assert again.value.recall == part
    told = {
        event.subject
        for _, event in world.topic.published
        if event.kind is EventKind.UPDATE_RECALLED
    }
    assert len(told) == 2
    assert world.audited() == [("Automatic", "recall_update", OWN.path)]  # the child by request
    failure = (await world.operation(late)).failure
    assert failure is not None
    assert failure.inner is not None
    assert failure.inner.code == "ReferenceRecalled"
    with pytest.raises(NotFound):
        await world.recalls.start(INSTANCE, replace(CHILD, version="7.7"), "why")


def steps_of(reference: dict[str, Any]) -> dict[str, Any]:
    inline = a_source_manifest(FILES)["instructions"]["steps"]
    return {"instructions": {"steps": [*inline, reference]}}


async def test_recall_order_of_an_update_that_was_imported_anew_changes_nothing() -> None:
    world = await running()
    order = messages.StopRecalled(instance=INSTANCE, update=OWN, made_by="older", reason="why")

    await world.recalls.run(order)
    await world.drain()

    assert (await world.update()).recall is None
    assert (await world.deployment("roll-1")).recall_reason is None


@pytest.mark.parametrize("call", range(1, 40))
async def test_recall_ends_the_same_after_a_crash_at_any_port_call(call: int) -> None:
    world = await running()
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = BAD
    await world.rescan.start(INSTANCE, "trace")
    world.faults.crash_at(call)

    await world.settle()
    await world.settle()

    await assert_recalled(world, reason="Worm")


@pytest.mark.parametrize("call", range(1, 12))
async def test_verdict_is_not_lost_when_its_receiver_dies(call: int) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity)
    world.faults.crash_at(call)

    try:
        await world.results.receive(event)
    except Exception:  # noqa: BLE001 (Event Grid delivers it again)
        await world.results.receive(event)
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED


async def test_verdicts_are_kept_as_long_as_their_content_or_for_a_month() -> None:
    world = await published()
    refused = b"#!/bin/sh\nworm\n"
    world.scanner.verdicts[refused] = BAD
    files = {"w.sh": refused}
    manifest = a_source_manifest(files, updateId=CHILD.to_wire(), compatibility=PARTS)
    item = offer(world, manifest, files)
    await world.imports.start(INSTANCE, [item], "trace")
    await world.drain()

    async def known() -> list[bool]:
        found = [
            await world.verdicts.on(INSTANCE, sha256(each), may_be_delta=False)
            for each in (SCRIPT, refused)
        ]
        return [bool(each) for each in found]

    await world.sweep.run()
    young = await known()
    world.clock.advance(31 * 24 * 3600)
    await world.sweep.run()

    assert (young, await known()) == ([True, True], [True, False])


async def test_verdicts_show_the_name_that_the_content_has_this_time() -> None:
    verdict = Verdict(
        status="malicious",
        engine="memory",
        engine_version="1",
        rules_version="1",
        names=("W",),
        member_path="a.zip!x",
    )

    assert verdict.named("a.zip", "").named("", "b.zip").member_path == "b.zip!x"
    assert CLEAN.named("a", "b") == CLEAN
