from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.codes import AgentState
from shared.domain.fleet.counters import contribution
from shared.domain.fleet.device import (
    DEFAULT_GROUP,
    DeviceRecord,
    DeviceState,
    TwinChange,
    bucket_of,
    deployment_state,
    device_key,
    evidence_of,
    fold,
    fold_connection,
    fold_deletion,
    view,
)
from shared.domain.fleet.twin_content import kept_content
from shared.domain.updates.update_id import UpdateId
from tests.builders.device import nameless
from tests.fakes.hub import merge_patch
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_record,
    at_second,
    busy,
    failed,
    reported,
    started,
    succeeded,
)

workflows = st.sampled_from(["w1", "w2"])
retries = st.sampled_from([None, "2024-05-01T00:00:00Z"])
reports = st.one_of(
    st.builds(started, st.sampled_from(["kiosk", "gate"])),
    st.builds(busy, workflows, retries),
    st.builds(succeeded, st.sampled_from([V1, V2]), workflows, retries),
    st.builds(failed, workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.sampled_from([0, -5]), workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.sampled_from([-1, 200]), workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.just(700), workflows, retries),
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
            content=_content_of(a_record(*changes[:version])),
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
        content=_content_of(seen_now),
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


def _content_of(record: DeviceRecord) -> dict[str, Any]:
    from shared.domain.fleet.registers import section

    return section(record.registers)


@pytest.mark.parametrize("later", [busy(), failed(), reported(AgentState.IDLE, 200)])
def test_success_stays_when_the_same_workflow_is_reported_again(later: dict[str, Any]) -> None:
    record = a_record(
        a_change(2, started()), a_change(3, succeeded()), a_change(4, later), commanded=a_command()
    )

    assert deployment_state(record) is DeviceState.SUCCEEDED


def test_retry_starts_over_when_its_timestamp_is_new() -> None:
    record = a_record(a_change(2, started()), a_change(3, failed()), commanded=a_command())
    retried = replace(record, commanded=a_command(retry_timestamp="t2"))
    done = fold(retried, a_change(4, succeeded(retry_timestamp="t2")))

    assert deployment_state(record) is DeviceState.FAILED
    assert deployment_state(retried) is DeviceState.IN_PROGRESS
    assert deployment_state(done) is DeviceState.SUCCEEDED


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (None, DeviceState.IN_PROGRESS),
        (busy(), DeviceState.IN_PROGRESS),
        (failed(), DeviceState.FAILED),
        (reported(AgentState.FAILED, 5), DeviceState.FAILED),
        (reported(AgentState.IDLE, 0), DeviceState.FAILED),
        (reported(AgentState.IDLE, -1), DeviceState.CANCELED),
        (reported(AgentState.IDLE, 200), DeviceState.CANCELED),
        (succeeded(V2), DeviceState.SUCCEEDED),
        (succeeded(V1), DeviceState.IN_PROGRESS),
        (succeeded(V2, "other"), DeviceState.IN_PROGRESS),
        (failed("other"), DeviceState.IN_PROGRESS),
    ],
)
def test_state_follows_the_report_of_the_commanded_workflow(
    report: dict[str, Any] | None, state: DeviceState
) -> None:
    changes = [a_change(2, started())] + ([a_change(3, report)] if report else [])

    assert deployment_state(a_record(*changes, commanded=a_command())) is state
    assert deployment_state(a_record(*changes)) is None


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (busy(), DeviceState.IN_PROGRESS),
        (failed(), DeviceState.FAILED),
        (succeeded(), DeviceState.SUCCEEDED),
        (reported(AgentState.IDLE, -1), DeviceState.CANCELED),
    ],
)
def test_cancelled_device_keeps_an_end_that_it_reached_in_time(
    report: dict[str, Any], state: DeviceState
) -> None:
    record = a_record(
        a_change(2, started()), a_change(3, report), commanded=a_command(is_cancel=True)
    )

    assert deployment_state(record) is state


def test_cancelled_device_that_never_began_is_cancelled_at_once() -> None:
    record = a_record(a_change(2, started()), commanded=a_command(is_cancel=True))

    assert deployment_state(record) is DeviceState.CANCELED


def test_repeated_6_of_a_failed_workflow_reopens_nothing() -> None:
    changes = [a_change(2, started()), a_change(3, failed()), a_change(9, busy())]

    for order in (changes, changes[::-1]):
        record = a_record(*order, commanded=a_command())
        assert deployment_state(record) is DeviceState.FAILED


def test_cancel_that_a_failed_device_reports_at_its_start_leaves_it_failed() -> None:
    ended = reported(AgentState.IDLE, 200)
    changes = [a_change(2, started()), a_change(3, failed()), a_change(9, ended)]

    for order in (changes, changes[::-1]):
        record = a_record(*order, commanded=a_command(is_cancel=True))
        assert deployment_state(record) is DeviceState.FAILED


def test_retried_device_that_reports_its_cancel_without_timestamp_has_ended() -> None:
    asked = a_command(is_cancel=True, retry_timestamp="t1")
    asked = replace(asked, canceled_at=at_second(5))
    changes = [a_change(2, started()), a_change(4, busy(retry_timestamp="t1"))]

    working = a_record(*changes, commanded=asked)
    ended = a_record(*changes, a_change(9, reported(AgentState.IDLE, 200)), commanded=asked)

    assert deployment_state(working) is DeviceState.IN_PROGRESS
    assert deployment_state(ended) is DeviceState.CANCELED


def test_failure_is_known_when_the_result_is_not_repeated() -> None:
    report = failed()
    del report["deviceUpdate"]["agent"]["lastInstallResult"]

    record = a_record(a_change(2, started()), a_change(3, report), commanded=a_command())

    assert deployment_state(record) is DeviceState.FAILED


def test_installed_update_of_an_earlier_workflow_is_not_a_success_of_the_next() -> None:
    whole = {**succeeded(V2), **busy("w2")}
    whole["deviceUpdate"]["agent"]["installedUpdateId"] = succeeded(V2)["deviceUpdate"]["agent"][
        "installedUpdateId"
    ]

    record = a_record(a_change(5, whole, is_whole=True), commanded=a_command("w2"))

    assert deployment_state(record) is DeviceState.IN_PROGRESS
    assert view(record).installed == V2


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize(("code", "state"), [(0, DeviceState.FAILED), (200, DeviceState.CANCELED)])
def test_update_that_is_still_installed_is_no_success_of_a_workflow_that_was_given_up(
    code: int, state: DeviceState, is_read: bool
) -> None:
    changes = [a_change(2, succeeded(V2, "w1")), a_change(3, reported(AgentState.IDLE, code, "w2"))]
    twin = TwinChange(
        device_id="d1",
        module_id=None,
        version=3,
        content=_content_of(a_record(*changes)),
        is_whole=True,
        at=at_second(3),
    )

    record = a_record(*changes, *([twin] if is_read else []), commanded=a_command("w2"))

    assert deployment_state(record) is state


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


@pytest.mark.parametrize("is_late", [False, True])
def test_device_was_last_heard_when_it_last_spoke_even_if_nothing_is_left_of_it(
    is_late: bool,
) -> None:
    report = a_change(3, started())
    whole = TwinChange(
        device_id="d1",
        module_id=None,
        version=4,
        content={"agent": report.content["agent"]},
        is_whole=True,
        at=at_second(4),
    )
    record = a_record(*([whole, report] if is_late else [report, whole]))

    assert (record.heard_at, record.changed_at) == (at_second(3), at_second(4))


def test_evidence_is_bounded_when_workflows_follow_each_other() -> None:
    record = a_record(*(a_change(at, busy(f"w{at}")) for at in range(1, 40)))

    assert [item.workflow_id for item in record.evidence] == ["w39", "w38", "w37", "w36"]


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


@pytest.mark.parametrize("name", ["not json", '{"provider":"acme"}', '{"provider":"a b"}', 7])
def test_installed_update_is_unknown_when_no_import_could_name_it(name: Any) -> None:
    report = {"deviceUpdate": {"agent": {"installedUpdateId": name}}}

    assert view(a_record(a_change(2, report))).installed is None


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


def test_device_information_that_is_removed_takes_the_time_zone_along() -> None:
    twin = {"properties": {"reported": {"deviceInformation": None}}}

    assert kept_content(twin) == {"information": None}


def test_kept_content_is_only_the_group_tag_and_the_agent_section() -> None:
    twin = {
        "tags": {"ADUGroup": "lobby", "secret": 1},
        "properties": {
            "reported": {"deviceUpdate": {"agent": {"state": 0}, "service": {"ac": 200}}, "x": 1},
            "desired": {"deviceUpdate": {"service": {}}},
        },
    }

    assert kept_content(twin) == {"tags": {"ADUGroup": "lobby"}, "agent": {"state": 0}}


def test_acknowledgement_is_kept_only_where_it_is_of_a_cancel() -> None:
    def content(action: int) -> dict[str, Any]:
        value = {"workflow": {"action": action, "id": "w1"}}
        reported = {"deviceUpdate": {"service": {"value": value, "ac": 200}}}
        return kept_content({"properties": {"reported": reported}})

    assert content(3) == {}
    assert content(255) == {"acknowledged": True}
    heard = fold(a_record(), TwinChange("d1", None, 9, content(255), False, at_second(9)))
    assert (heard.heard_at, heard.registers) == (at_second(9), {})


@pytest.mark.parametrize(
    ("retried_at", "kept"),
    [("2024-05-01T00:00:01Z", None), ("2024-05-01T00:00:02.0000Z", "t1"), (None, "t1")],
)
def test_retry_timestamp_that_an_earlier_workflow_left_in_the_twin_is_not_of_the_next(
    retried_at: str | None, kept: str | None
) -> None:
    reported = busy("w2", "t1")
    times = {"id": {"$lastUpdated": "2024-05-01T00:00:02Z"}}
    times["retryTimestamp"] = {"$lastUpdated": retried_at} if retried_at else {}
    reported["$metadata"] = {"deviceUpdate": {"agent": {"workflow": times}}}
    whole = kept_content({"properties": {"reported": reported}})

    record = a_record(
        TwinChange(
            device_id="d1", module_id=None, version=3, content=whole, is_whole=True, at=at_second(3)
        )
    )

    assert [(item.workflow_id, item.retry_timestamp) for item in record.evidence] == [("w2", kept)]


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


def test_agent_section_that_is_removed_takes_the_class_with_it() -> None:
    record = a_record(a_change(2, started()), a_change(3, {"deviceUpdate": {"agent": None}}))

    assert view(record).device_class is None


def test_modules_share_the_bucket_of_their_device() -> None:
    assert device_key("d1", "m1") == "d1/m1"
    assert device_key("d1", None) == "d1"
    assert 0 <= bucket_of("d1") < 256


CASES = json.loads((Path(__file__).parents[2] / "data/cases/agent-reports.json").read_text())
FROM_FIELD = {each["name"]: each for each in CASES["sequences"] if "path" not in each}


@pytest.mark.parametrize("name", FROM_FIELD)
def test_reports_from_the_field_mean_the_same_one_by_one_as_in_the_whole_twin(name: str) -> None:
    """In any order, too; only what the whole twin forgets may be missing there."""
    target, command = UpdateId("fabrikam", "kit", "1.1"), "w1"
    text = json.dumps(FROM_FIELD[name]["reports"]).replace("<the id of the command>", command)
    twin: dict[str, Any] = {}
    changes, states = [], []
    for number, report in enumerate(json.loads(text), 2):
        at = at_second(number)
        patch = {"deviceUpdate": {"agent": report}}
        twin = merge_patch(twin, {**patch, "$metadata": _times(patch, at)})
        changes.append(a_change(number, patch))
        whole = TwinChange(
            "d1", None, number, kept_content({"properties": {"reported": twin}}), True, at
        )
        asked = a_command(command, update_id=target)
        one_by_one = a_record(*changes, commanded=asked)
        assert one_by_one == a_record(*reversed(changes), commanded=asked)
        assert deployment_state(a_record(whole, commanded=asked)) is deployment_state(one_by_one)
        assert deployment_state(fold(one_by_one, whole)) is deployment_state(one_by_one)
        states.append(deployment_state(one_by_one))

    for state, right in zip(states, FROM_FIELD[name]["right"], strict=True):
        if right.startswith("not Succeeded"):
            assert state is not DeviceState.SUCCEEDED
            assert view(one_by_one).installed == UpdateId("fabrikam", "kit", "1.0")
        else:
            assert str(state) == right


def _times(node: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "$lastUpdated": at,
        **{
            name: _times(value if isinstance(value, dict) else {}, at)
            for name, value in node.items()
        },
    }


def test_end_without_a_name_is_not_of_a_workflow_that_was_named_after_it() -> None:
    end = {"deviceUpdate": {"agent": {"state": 0, "installedUpdateId": json.dumps(V2.to_wire())}}}
    changes = [a_change(2, busy("w1")), a_change(3, end), a_change(4, busy("w2"))]

    for some in (changes, changes[::-1]):
        assert deployment_state(a_record(*some, commanded=a_command("w1"))) is DeviceState.SUCCEEDED
        assert (
            deployment_state(a_record(*some, commanded=a_command("w2"))) is DeviceState.IN_PROGRESS
        )


def test_end_without_a_name_is_of_nothing_once_the_name_was_removed() -> None:
    end = {"deviceUpdate": {"agent": {"state": 0, "installedUpdateId": json.dumps(V2.to_wire())}}}
    for gone in ({"deviceUpdate": None}, {"deviceUpdate": {"agent": {"workflow": None}}}):
        changes = [a_change(2, busy("w1")), a_change(3, gone), a_change(4, end)]
        record = a_record(*changes, commanded=a_command("w1"))
        assert deployment_state(record) is DeviceState.IN_PROGRESS


@pytest.mark.parametrize(
    "twin",
    [
        {"properties": None},
        {"properties": {"reported": None}},
        {"properties": {"reported": {"deviceUpdate": None}}},
        {"properties": {"reported": {"deviceUpdate": {"agent": None}}}},
    ],
)
def test_null_at_any_height_takes_the_device_out_at_once(twin: dict[str, Any]) -> None:
    record = a_record(a_change(2, started()), a_change(3, busy()), commanded=a_command())
    assert contribution(record)

    gone = fold(record, TwinChange("d1", None, 4, kept_content(twin), False, at_second(4)))

    assert view(gone).device_class is None
    assert contribution(gone) == {}


def test_null_tags_put_the_device_into_the_default_group() -> None:
    record = a_record(a_change(2, started(), group="lobby"))

    gone = fold(record, TwinChange("d1", None, 3, kept_content({"tags": None}), False, ""))

    assert view(gone).group_id == DEFAULT_GROUP


def test_a_change_of_which_nothing_is_kept_is_no_sign_of_life() -> None:
    known = DeviceRecord("d1", heard_at="2024-05-01T00:00:00+00:00")
    change = TwinChange(
        device_id="d1",
        module_id=None,
        version=9,
        content={},
        is_whole=False,
        at="2024-05-02T00:00:00+00:00",
    )

    assert fold(known, change) == known
