from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    deployment_state,
    evidence_of,
    fold,
    fold_connection,
    fold_deletion,
    view,
)
from shared.domain.fleet.names import DEFAULT_GROUP
from shared.domain.fleet.twin_content import kept_content
from tests.builders.device import nameless
from tests.builders.device_reports import content_of, reports, retries, workflows
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_record,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)

groups = st.sampled_from(["", "", "lobby", "hall", None])


@st.composite
def lives(draw: st.DrawFn, *, begins_at: int) -> list[TwinChange]:
    """The changes of one device from its creation on, in their order."""
    drawn = draw(st.lists(st.tuples(reports, groups), max_size=8))
    changes = [
        a_change(version, report, group=group, at=at_second(begins_at + version))
        for version, (report, group) in enumerate(drawn, 2)
    ]
    return [a_change(1, started(), at=at_second(begins_at)), *changes]


@st.composite
def deliveries(draw: st.DrawFn, life: st.SearchStrategy[list[TwinChange]]) -> Any:
    """A life, and the same with repetitions in any order."""
    changes = draw(life)
    repeated = draw(st.lists(st.sampled_from(changes), max_size=5))
    return changes, draw(st.permutations(changes + repeated))


@st.composite
def seen_whole(draw: st.DrawFn) -> tuple[list[TwinChange], list[TwinChange]]:
    """A life of as many workflows as are kept, whole twins read in between, in any order too."""
    many = st.sampled_from([f"w{number}" for number in range(1, 5)])
    report = st.one_of(
        st.builds(busy, many),
        st.builds(succeeded, st.sampled_from([V1, V2]), many),
        st.builds(failed, many),
        st.just(nameless()),
    )
    changes = [a_change(1, started())]
    changes += [
        a_change(version, said)
        for version, said in enumerate(draw(st.lists(report, max_size=9)), 2)
    ]
    read = draw(st.sets(st.integers(1, len(changes)), max_size=3))
    twins = [
        TwinChange(
            device_id="d1",
            module_id=None,
            version=version,
            content=content_of(a_record(*changes[:version])),
            is_whole=True,
            at="",
        )
        for version in sorted(read)
    ]
    story = sorted([*changes, *twins], key=lambda item: item.version)
    return story, draw(st.permutations(story))


@given(seen_whole(), st.sampled_from(["w1", "w4"]))
@settings(max_examples=150, deadline=None)
def test_fold_ends_the_same_when_whole_twins_are_read_in_between(
    delivery: tuple[list[TwinChange], list[TwinChange]], workflow_id: str
) -> None:
    story, delivered = delivery
    record = DeviceRecord("d1", commanded=a_command(workflow_id))

    assert folded(record, delivered) == folded(record, story)
    assert deployment_state(folded(record, delivered)) is deployment_state(folded(record, story))


@given(
    st.lists(st.one_of(st.just(busy()), st.just(failed()), st.just(nameless())), max_size=6),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_success_outlasts_whatever_is_reported_before_and_after(
    others: list[dict[str, Any]], random: Any
) -> None:
    reports = [*others, succeeded()]
    random.shuffle(reports)
    changes = [a_change(version, said) for version, said in enumerate(reports, 2)]
    random.shuffle(changes)

    record = a_record(a_change(1, started()), *changes, commanded=a_command())

    assert deployment_state(record) is DeviceState.SUCCEEDED
    (at,) = [change.at for change in changes if "installedUpdateId" in change.content["agent"]]
    known = evidence_of(record)
    assert known is not None
    assert known.installed_at(V2) == at


def folded(record: DeviceRecord, changes: list[TwinChange]) -> DeviceRecord:
    for change in changes:
        record = fold(record, change)
    return record


@given(deliveries(lives(begins_at=0)), workflows, retries, st.booleans())
@settings(max_examples=80, deadline=None)
def test_fold_ends_in_the_same_record_and_state_for_any_order_and_repetition(
    delivery: tuple[list[TwinChange], list[TwinChange]],
    workflow_id: str,
    retry_timestamp: str | None,
    is_cancel: bool,
) -> None:
    history, delivered = delivery
    command = a_command(workflow_id, retry_timestamp=retry_timestamp, is_cancel=is_cancel)
    record = DeviceRecord("d1", commanded=command)

    assert folded(record, delivered) == folded(record, history)
    assert view(folded(record, delivered)) == view(folded(record, history))


@given(deliveries(lives(begins_at=0)), deliveries(lives(begins_at=1000)), st.data())
@settings(max_examples=100, deadline=None)
def test_fold_forgets_the_former_life_of_a_device_that_was_created_again(
    former: tuple[list[TwinChange], list[TwinChange]],
    present: tuple[list[TwinChange], list[TwinChange]],
    data: st.DataObject,
) -> None:
    in_time = data.draw(st.integers(0, len(former[1])))
    late = [*former[1][in_time:], *present[1]]

    record = folded(DeviceRecord("d1", commanded=a_command()), former[1][:in_time])
    record = fold_deletion(record, at_second(500), None)
    record = folded(record, data.draw(st.permutations(late)))

    assert record == folded(DeviceRecord("d1", deleted_at=at_second(500)), present[0])


@given(lives(begins_at=0), lives(begins_at=1000))
@settings(max_examples=50, deadline=None)
def test_deletion_leaves_what_the_hub_has_now_when_it_comes_after_the_second_creation(
    former: list[TwinChange], present: list[TwinChange]
) -> None:
    seen_now = a_record(*present)
    whole = TwinChange(
        device_id="d1",
        module_id=None,
        version=present[-1].version,
        content=content_of(seen_now),
        is_whole=True,
        at="",
    )

    mixed = folded(DeviceRecord("d1", commanded=a_command()), former + present)
    record = fold_deletion(mixed, at_second(500), whole)

    assert (record.commanded, record.deleted_at) == (None, at_second(500))
    assert view(record) == view(seen_now)
    assert fold_deletion(record, at_second(500), None) == record
    assert fold_deletion(record, at_second(400), None) == record


def test_late_deletion_takes_back_what_only_the_former_life_had_installed() -> None:
    """Both lives ran the same workflow; the second one failed."""
    failure = a_change(6, failed(), at=at_second(70))
    former = [a_change(2, started(), at=at_second(2)), a_change(3, succeeded(), at=at_second(3))]
    mixed = folded(DeviceRecord("d1"), [*former, failure])

    record = fold_deletion(mixed, at_second(50), None)

    assert record.evidence == fold(DeviceRecord("d1"), failure).evidence


def test_connection_of_a_former_life_is_dropped_and_of_the_present_one_is_kept() -> None:
    def connected(record: DeviceRecord, second: int) -> DeviceRecord:
        return fold_connection(
            record, is_connected=True, sequence_number=f"{second:x}", at=at_second(second)
        )

    deleted = fold_deletion(DeviceRecord("d1"), at_second(50), None)

    assert connected(deleted, 40) == deleted
    assert fold_deletion(connected(DeviceRecord("d1"), 40), at_second(50), None) == deleted
    assert fold_deletion(connected(DeviceRecord("d1"), 60), at_second(50), None) == connected(
        deleted, 60
    )


def test_device_has_no_class_and_the_default_group_until_it_says_more() -> None:
    seen = view(a_record(a_change(2, busy())))

    assert (seen.group_id, seen.device_class) == (DEFAULT_GROUP, None)


@pytest.mark.parametrize("tag", [None, "", 5, ["lobby"]])
def test_device_is_in_the_default_group_when_its_tag_names_none(tag: Any) -> None:
    change = TwinChange(
        device_id="d1",
        module_id=None,
        version=3,
        content={"tags": {"ADUGroup": tag}},
        is_whole=False,
        at=at_second(3),
    )

    assert view(fold(a_record(a_change(2, started())), change)).group_id == DEFAULT_GROUP


def test_connection_follows_the_highest_sequence_number() -> None:
    record = fold_connection(a_record(), is_connected=True, sequence_number="0A")
    late = fold_connection(record, is_connected=False, sequence_number="9")
    later = fold_connection(record, is_connected=False, sequence_number="10")

    assert (record.is_connected, late, later.is_connected) == (True, record, False)


@pytest.mark.parametrize(
    ("named", "kept"), [("Asia/Tokyo", "Asia/Tokyo"), (None, None), (7, None), ("x" * 65, None)]
)
def test_kept_content_has_the_time_zone_of_tags_and_of_reports(
    named: object, kept: str | None
) -> None:
    information = {"timeZone": named, "osName": "Linux"}
    twin = {
        "tags": {"timeZone": named, "floor": 3},
        "properties": {"reported": {"deviceInformation": information}},
    }

    zone = {"timeZone": kept}
    assert kept_content(twin) == {"tags": zone, "information": zone}


def test_kept_content_is_only_the_group_tag_and_the_agent_section() -> None:
    twin = {
        "tags": {"ADUGroup": "lobby", "secret": 1},
        "properties": {
            "reported": {"deviceUpdate": {"agent": {"state": 0}, "service": {"ac": 200}}, "x": 1},
            "desired": {"deviceUpdate": {"service": {}}},
        },
    }

    assert kept_content(twin) == {"tags": {"ADUGroup": "lobby"}, "agent": {"state": 0}}


@pytest.mark.parametrize(
    "twin",
    [
        {},
        {"tags": [], "properties": {"reported": {"deviceUpdate": 5}}},
        {"properties": {"reported": {"deviceUpdate": {}}}},
    ],
)
def test_kept_content_is_empty_when_nothing_concerns_us(twin: dict[str, Any]) -> None:
    assert kept_content(twin) == {}


def test_null_tags_put_the_device_into_the_default_group() -> None:
    record = a_record(a_change(2, started(), group="lobby"))

    gone = fold(record, TwinChange("d1", None, 3, kept_content({"tags": None}), False, ""))

    assert view(gone).group_id == DEFAULT_GROUP
