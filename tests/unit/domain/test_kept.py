"""What is kept together of a group: it covers a filter only if it has all of its devices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fleet.counters import contribution, total
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.kept import Kept, kept_of
from shared.domain.fleet.listing import listed
from shared.domain.fleet.queries import Condition, DeviceFilter, selection
from shared.domain.updates.update_id import UpdateId
from tests.builders.listed import FILTERS, NOW, a_fleet
from tests.unit.domain.builders import V2

RECORDS = a_fleet(140, "large")
COUNTS = total(contribution(record) for record in RECORDS)
LATEST: dict[str, UpdateId | None] = {
    item.class_id: V2 for record in RECORDS if (item := listed(record)) is not None
}


@given(records=st.lists(st.sampled_from(RECORDS), unique_by=lambda item: item.key), data=st.data())
def test_what_is_kept_has_room_and_covers_no_filter_of_which_it_lacks_a_device(
    records: list[DeviceRecord], data: st.DataObject
) -> None:
    most = data.draw(st.integers(0, len(records)))
    kept = kept_of(total(contribution(record) for record in records), NOW, most)

    devices = [item for record in records if (item := listed(record)) is not None]
    copied = [item for item in devices if kept.has(item)]
    assert len(copied) <= most
    for each in FILTERS:
        wanted = selection(each, NOW, LATEST)
        if kept.covers(wanted):
            assert {item.key for item in devices if wanted.has(item)} <= {
                item.key for item in copied
            }


def test_small_group_is_kept_whole_and_nothing_common_of_a_large_one() -> None:
    whole, none = kept_of(COUNTS, NOW, 140), kept_of(COUNTS, NOW, 0)

    assert whole == Kept(everything=True)
    assert all(whole.covers(selection(each, NOW, LATEST)) for each in FILTERS)
    assert not any(none.covers(selection(each, NOW, LATEST)) for each in FILTERS[:3])


def test_causes_that_need_attention_are_covered_where_they_are_rare() -> None:
    kept = kept_of(COUNTS, NOW, 139)
    empty = kept_of({}, NOW, 0)
    assert empty.everything

    rare = Kept(failed=True, unhealthy=True, heard_before="2024-05-14", working_before="2024-05-20")
    for condition in Condition:
        assert rare.covers(selection(DeviceFilter(condition=condition), NOW, {}))
    assert rare.covers(selection(DeviceFilter(failure_code=0x30101001), NOW, {}))
    assert not rare.covers(selection(DeviceFilter(installed=V2), NOW, {}))
    assert not rare.covers(selection(DeviceFilter(heard_before=NOW), NOW, {}))
    assert not kept.everything


def test_leftovers_of_an_old_version_are_rare_and_the_common_ones_are_not() -> None:
    kept = Kept(installed_but=("contoso/toaster/2.0", "contoso/toaster/1.9"))

    assert kept.covers(
        selection(DeviceFilter(installed=UpdateId("contoso", "toaster", "1.0")), NOW, {})
    )
    assert kept.covers(selection(DeviceFilter(nothing_installed=True), NOW, {}))
    assert not kept.covers(
        selection(DeviceFilter(installed=UpdateId("contoso", "toaster", "2.0")), NOW, {})
    )
