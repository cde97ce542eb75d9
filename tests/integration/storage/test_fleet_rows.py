"""Groups, classes, buckets and roll-ups in Table Storage."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.device_class import make_device_class
from shared.ports import HeldDevice, LastRollup, OwnNote, Rollup
from tests.builders.fleet_rows import KIOSK
from tests.integration.storage.conftest import Ports
from tests.unit.domain.builders import (
    V1,
    V2,
    a_deployment,
)

GATE = make_device_class("m;1", {"manufacturer": "acme", "model": "gate"})


async def test_classes_become_known_once_and_devices_wait_by_instance(
    ports: Ports, instance: str
) -> None:
    classes = ports.new_classes
    await classes.add(instance, KIOSK)
    await classes.add(instance, KIOSK)
    await classes.add(f"{instance}2", GATE)

    assert await classes.is_known(instance, KIOSK.class_id)
    assert not await classes.is_known(instance, GATE.class_id)
    assert await classes.count(instance, "2000-01-01T00:00:00+00:00", 5) == 1
    assert await classes.count(instance, "2999-01-01T00:00:00+00:00", 5) == 0
    assert not await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)

    device = HeldDevice("d.1", None, "class", "2024-05-01T00:00:00.000000+00:00")
    module = replace(device, module_id="m")
    for each in (device, module, replace(module, class_id="other")):
        await classes.hold(instance, each)
    assert len(await classes.held(instance, 1)) == 1
    assert {*await classes.held(instance, 9)} == {device, replace(module, class_id="other")}
    await classes.release(instance, "d.1", None)
    await classes.release(instance, "d.1", None)
    assert [each.module_id for each in await classes.held(instance, 9)] == ["m"]
    assert [each.device_class for each in await ports.fleet.classes(instance)] == [KIOSK]


async def test_notes_of_own_deployments_stay_apart_by_update_and_instance(
    ports: Ports, instance: str
) -> None:
    first = OwnNote(V1, "a.b", None, "2024-05-01T00:00:00.000000+00:00")
    others = [OwnNote(V1, "a.b", "m", first.at), OwnNote(V2, "a.b", None, first.at)]
    await ports.deployments.add(instance, a_deployment(group_id="lobby"))
    for note in (first, *others):
        await ports.own_deployments.note(instance, note)
    await ports.own_deployments.note(f"{instance}2", first)

    assert {*(await ports.own_deployments.notes(instance, V1)).items} == {first, others[0]}
    assert len((await ports.own_deployments.notes(instance, None)).items) >= 2
    assert len(await ports.deployments.of_instance(instance)) == 1

    again = replace(first, at="2024-05-02T00:00:00.000000+00:00")
    await ports.own_deployments.note(instance, again)
    await ports.own_deployments.forget(instance, others[0])
    await ports.own_deployments.forget(instance, others[0])

    assert (await ports.own_deployments.notes(instance, V1)).items == [again]


async def test_fleet_remembers_groups_classes_and_buckets(ports: Ports, instance: str) -> None:
    assert await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)
    assert not await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)
    assert not await ports.fleet.ensure_known(instance, "lobby", 255, KIOSK)
    assert await ports.fleet.ensure_known(instance, "a/b", 3, GATE)

    assert list(await ports.fleet.buckets(instance, "lobby")) == [3, 255]
    assert list(await ports.fleet.buckets(instance, "none")) == []
    assert {group.group_id for group in await ports.fleet.groups(instance)} == {"lobby", "a/b"}
    classes = [known.device_class for known in await ports.fleet.classes(instance)]
    assert sorted(item.class_id for item in classes) == sorted([KIOSK.class_id, GATE.class_id])
    assert KIOSK in classes
    assert await ports.fleet.classes(instance + "x") == []


async def test_best_update_of_a_class_is_kept_and_taken_back(ports: Ports, instance: str) -> None:
    await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)

    for best in (V2, V1, None):
        await ports.fleet.set_best_update(instance, KIOSK.class_id, best)
        (known,) = await ports.fleet.classes(instance)
        assert (known.best_update, known.device_class) == (best, KIOSK)


async def test_rollup_is_kept_unless_it_is_older(ports: Ports, instance: str) -> None:
    counts = {("lobby", "c1"): {"total": 2}, ("lobby", "c2"): {}}
    newer = Rollup(
        counts, "t2", buckets=3, still_since="t1", wake_at="t3", judged_by="d", is_quiet=True
    )
    older = Rollup({}, "t1", still_since="t1")

    await ports.fleet.save_rollup(instance, "lobby", newer)
    await ports.fleet.save_rollup(instance, "lobby", older)
    await ports.fleet.save_rollup(instance, "a/b", older)

    assert await ports.fleet.rollups(instance, "lobby") == {"lobby": newer}
    assert await ports.fleet.rollups(instance) == {"lobby": newer, "a/b": older}
    assert await ports.fleet.last_rollup(instance, "lobby") == LastRollup(
        "t2", 3, still_since="t1", wake_at="t3", judged_by="d", is_quiet=True, devices=2
    )
    assert await ports.fleet.rollups(instance, "none") == {}


async def test_deleted_class_comes_back_only_with_devices(ports: Ports, instance: str) -> None:
    await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)
    await ports.fleet.rename_class(instance, KIOSK.class_id, "Kiosks")
    (known,) = await ports.fleet.classes(instance)
    assert known.friendly_name == "Kiosks"

    await ports.fleet.delete_class(instance, KIOSK.class_id)

    assert await ports.fleet.classes(instance) == []
    assert len(await ports.fleet.classes(instance, with_deleted=True)) == 1
    assert await ports.fleet.revive(instance, "lobby", set()) == set()
    assert await ports.fleet.classes(instance) == []
    assert await ports.fleet.revive(instance, "lobby", {KIOSK.class_id}) == set()
    (known,) = await ports.fleet.classes(instance)
    assert known.friendly_name is None


async def test_deleted_group_comes_back_only_with_devices(ports: Ports, instance: str) -> None:
    await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)
    await ports.fleet.save_rollup(instance, "lobby", Rollup({}, "t"))

    await ports.fleet.delete_group(instance, "lobby")

    assert await ports.fleet.groups(instance) == []
    assert await ports.fleet.rollups(instance) == {}
    assert await ports.fleet.revive(instance, "lobby", set()) is None
    assert await ports.fleet.revive(instance, "lobby", {KIOSK.class_id}) == set()
    assert [group.group_id for group in await ports.fleet.groups(instance)] == ["lobby"]


async def test_deleted_subgroup_comes_back_only_with_devices(ports: Ports, instance: str) -> None:
    await ports.fleet.ensure_known(instance, "lobby", 3, KIOSK)

    await ports.fleet.delete_subgroup(instance, "lobby", KIOSK.class_id)

    assert await ports.fleet.revive(instance, "lobby", set()) == {KIOSK.class_id}
    assert await ports.fleet.revive(instance, "lobby", {KIOSK.class_id}) == set()
    assert await ports.fleet.revive(instance, "lobby", set()) == set()
