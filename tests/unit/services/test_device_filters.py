"""Lists of devices: whatever is filtered, a list has exactly the devices that a look at all has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.fleet.counters import contribution, total
from shared.domain.fleet.device import DeviceRecord, bucket_of, view
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, listed
from shared.domain.fleet.queries import DeviceFilter, selection
from shared.domain.instant import seconds_between
from shared.domain.updates.update import Recall
from shared.domain.updates.update_id import UpdateId
from shared.http.filters import device_filter
from shared.ports import DeviceWrite
from shared.services.devices.counts import DeviceCounts
from shared.services.reporting.attention import Attention, Cause
from tests.builders.deployments import an_update
from tests.builders.listed import FILTERS, NOW, a_fleet, within
from tests.unit.domain.builders import V1, V2
from tests.unit.services.world import INSTANCE, World

SMALL, FEW = "small", "few"


async def a_world(*fleets: Sequence[DeviceRecord]) -> World:
    """Devices as events would have brought them, not summed up yet."""
    world = World()
    world.clock.advance(seconds_between(world.clock.now(), NOW))
    for record in [record for fleet in fleets for record in fleet]:
        seen, bucket = view(record), bucket_of(record.device_id)
        assert seen.device_class is not None
        await world.fleet.ensure_known(INSTANCE, seen.group_id, bucket, seen.device_class)
        await world.devices.commit(INSTANCE, bucket, [DeviceWrite(None, record)])
    for known in await world.fleet.classes(INSTANCE):
        best = V2 if known.device_class.properties["model"] == "kiosk" else None
        await world.fleet.set_best_update(INSTANCE, known.device_class.class_id, best)
    return world


async def sum_up(world: World, *groups: str) -> None:
    """Sum groups up, once more so that small ones are known to be small."""
    for group in groups:
        await world.rollup.group(INSTANCE, group)
        world.clock.advance(1)
        await world.rollup.group(INSTANCE, group)


async def pages(world: World, wanted: DeviceFilter, size: int = 7) -> list[ListedDevice]:
    found: list[ListedDevice] = []
    token: str | None = None
    while True:
        page = await world.device_lists.page(INSTANCE, wanted, token=token, size=size)
        assert len(page.items) <= size
        found += page.items
        if (token := page.token) is None:
            return found


async def looked_up(world: World, wanted: DeviceFilter) -> set[ListedDevice]:
    """The devices that a filter means, found by looking at every row."""
    latest = {
        known.device_class.class_id: known.best_update
        for known in await world.fleet.classes(INSTANCE)
    }
    selected = selection(wanted, world.clock.now(), latest)
    items = [listed(row.value) for _, row in world.devices.rows.items()]
    return {item for item in items if item is not None and selected.has(item)}


@pytest.mark.parametrize("wanted", FILTERS, ids=range(len(FILTERS)))
@pytest.mark.parametrize("is_summed_up", [False, True])
async def test_list_has_what_a_look_at_every_device_has(
    wanted: DeviceFilter, *, is_summed_up: bool
) -> None:
    world = await a_world(a_fleet(60, SMALL), a_fleet(8, FEW, first=100))
    if is_summed_up:
        await sum_up(world, SMALL, FEW)
        assert (await world.fleet.rollups(INSTANCE))[SMALL].kept == Kept(everything=True)
        assert (await world.fleet.rollups(INSTANCE))[FEW].kept is None

    for group in (None, SMALL, FEW):
        found = await pages(world, within(wanted, group))

        assert len(found) == len(set(found))
        assert set(found) == await looked_up(world, within(wanted, group))


def test_every_filter_selects_some_devices_and_leaves_others() -> None:
    devices = [item for record in a_fleet(60, SMALL) if (item := listed(record)) is not None]
    latest: dict[str, UpdateId | None] = {item.class_id: V2 for item in devices}

    for wanted in FILTERS[1:]:
        found = [item for item in devices if selection(wanted, NOW, latest).has(item)]
        assert len(found) < len(devices)
        assert found or wanted.failure_code


async def test_each_cause_that_needs_attention_is_listed_by_its_filter() -> None:
    world = await a_world(a_fleet(60, SMALL), a_fleet(8, FEW, first=100))
    await sum_up(world, SMALL, FEW)
    await world.updates.add(INSTANCE, an_update(V1, recall=Recall("bricks", "t")))
    attention = Attention(
        fleet=world.fleet,
        updates=world.updates,
        operations=world.operations,
        recounts=world.recounts,
        clock=world.clock,
        new_classes=world.new_classes,
        most_new_classes=30,
    )

    found = {item.cause: item for item in await attention.items(INSTANCE)}

    assert found.keys() == {
        Cause.FAILED,
        Cause.SILENT,
        Cause.STUCK,
        Cause.UNHEALTHY,
        Cause.RECALLED,
    }
    for item in found.values():
        assert item.filter is not None
        assert len(await pages(world, device_filter(item.filter))) == item.count > 0


async def test_list_of_a_small_group_is_as_of_its_figures() -> None:
    world = await a_world(a_fleet(60, SMALL))
    await sum_up(world, SMALL)
    (new,) = a_fleet(61, SMALL)[60:]
    seen, bucket = view(new), bucket_of(new.device_id)
    assert seen.device_class is not None
    await world.fleet.ensure_known(INSTANCE, SMALL, bucket, seen.device_class)
    await world.devices.commit(INSTANCE, bucket, [DeviceWrite(None, new)])

    assert len(await pages(world, DeviceFilter(group=SMALL))) == 60
    world.clock.advance(60)
    await world.rollup.group(INSTANCE, SMALL)

    assert len(await pages(world, DeviceFilter(group=SMALL))) == 61


async def test_page_of_a_small_group_that_has_grown_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world(a_fleet(60, SMALL))
    await sum_up(world, SMALL)
    page = await world.device_lists.page(INSTANCE, DeviceFilter(group=SMALL), token=None, size=7)
    monkeypatch.setattr("shared.services.reporting.rollup.MOST_MEMBERS", 59)
    world.clock.advance(60)
    await world.rollup.group(INSTANCE, SMALL)

    with pytest.raises(InvalidInput, match="begin again"):
        await world.device_lists.page(INSTANCE, DeviceFilter(group=SMALL), token=page.token, size=7)

    assert len(await pages(world, DeviceFilter(group=SMALL))) == 60


@pytest.mark.parametrize("most", [5, 12, 25, 59])
async def test_list_of_a_large_group_has_what_a_look_at_every_device_has(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.reporting.rollup.MOST_MEMBERS", most)
    world = await a_world(a_fleet(60, SMALL))
    await sum_up(world, SMALL)
    kept = (await world.fleet.rollups(INSTANCE))[SMALL].kept
    assert kept is not None
    assert not kept.everything
    ((_, copied),) = world.group_members.rows.values()
    assert len(copied) <= most

    for wanted in FILTERS:
        assert set(await pages(world, within(wanted, SMALL))) == await looked_up(
            world, within(wanted, SMALL)
        )


async def test_count_of_a_list_is_how_many_devices_it_has_where_counters_tell() -> None:
    world = await a_world(a_fleet(60, SMALL), a_fleet(8, FEW, first=100))
    await sum_up(world, SMALL, FEW)
    counts = DeviceCounts(world.fleet, world.clock)
    known = await world.fleet.classes(INSTANCE)
    class_ids = [None, *(each.device_class.class_id for each in known)]
    untold: set[int] = set()

    for at, wanted in enumerate(FILTERS):
        for group in (None, SMALL, FEW):
            for class_id in class_ids:
                narrowed = replace(wanted, group=group, class_id=class_id)
                found = await counts.count(INSTANCE, narrowed)
                if found.count is None:
                    untold.add(at)
                else:
                    assert found.count == len(await looked_up(world, narrowed))
                    assert found.as_of

    never, counted_with_others, heard, prefix, several = 3, 5, 10, 16, 17
    assert untold == {never, counted_with_others, heard, prefix, several}


async def test_copies_that_no_sum_names_go_with_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world(a_fleet(60, SMALL))
    await sum_up(world, SMALL)
    whole = Kept(everything=True)
    assert {place[2] for place in world.group_members.rows} == {whole}
    monkeypatch.setattr("shared.services.reporting.rollup.MOST_MEMBERS", 12)

    world.clock.advance(60)
    await world.rollup.group(INSTANCE, SMALL)
    both = {place[2] for place in world.group_members.rows}
    world.clock.advance(60)
    await world.rollup.group(INSTANCE, SMALL)

    assert whole in both
    assert {place[2] for place in world.group_members.rows} == both - {whole}


async def test_nothing_is_kept_of_a_group_that_has_come_to_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world(a_fleet(60, SMALL))
    await sum_up(world, SMALL)
    monkeypatch.setattr("shared.services.reporting.rollup._MOST_COPIES", 59)

    world.clock.advance(60)
    await world.rollup.group(INSTANCE, SMALL)

    assert (await world.fleet.rollups(INSTANCE))[SMALL].kept is None
    assert len(await pages(world, DeviceFilter(group=SMALL))) == 60


async def test_lists_of_an_older_store_are_right_before_and_after_they_are_indexed() -> None:
    world = await a_world(a_fleet(60, SMALL))
    everything = await looked_up(world, DeviceFilter(group=SMALL))
    forget_lists(world)

    assert set(await pages(world, DeviceFilter(group=SMALL))) == everything
    for _ in range(256 // 32 + 1):
        assert not await world.fleet.is_indexed(INSTANCE)
        await world.recount.next()

    assert await world.fleet.is_indexed(INSTANCE)
    assert not any(item.drift for item in await world.recounts.list(INSTANCE))
    assert set(await pages(world, DeviceFilter(group=SMALL))) == everything


def forget_lists(world: World) -> None:
    """Have the rows as release 0.1 left them: without lists and without the later counters."""
    world.fleet.unindexed.add(INSTANCE)
    for place, _ in [*world.devices.listed_rows.items()]:
        world.devices.listed_rows.delete(place)
    for place, row in [*world.devices.counts_rows.items()]:
        kept = {
            cell: count
            for cell, count in row.value.items()
            if cell != "unhealthy" and not cell.startswith("working:")
        }
        world.devices.counts_rows.put(place, kept)


async def test_recount_mends_lists() -> None:
    world = await a_world(a_fleet(60, SMALL))
    rows: Any = world.devices.listed_rows
    place, row = next(iter(rows.items()))
    rows.put((*place[:2], ("gone", "dev-x")), row.value)
    rows.delete(place)

    await world.recount.bucket(INSTANCE, place[1])

    report = await world.recounts.get(INSTANCE, place[1])
    assert report is not None
    assert report.indexed == 2
    assert {item[2]: each.value for item, each in rows.items()} == {
        item.place: item for item in await looked_up(world, DeviceFilter())
    }
    records = [each.value for _, each in world.devices.rows.items()]
    counted = total(contribution(record) for record in records)
    assert counted == total(
        {place[2]: each.value} for place, each in world.devices.counts_rows.items()
    )
