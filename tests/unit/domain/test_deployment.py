from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.fleet.asking import given as given_command
from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import (
    Deployment,
    DeploymentState,
    Subgroup,
    check_deployment_id,
    in_force,
    state_for,
)
from shared.domain.fleet.device import DeviceRecord, DeviceState, fold, view
from shared.domain.fleet.device_class import make_device_class
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_deployment,
    a_record,
    at_second,
    busy,
    failed,
    started,
    succeeded,
    wanted,
)

KIOSK = make_device_class(
    "dtmi:azure:iot:deviceUpdateContractModel;3", {"manufacturer": "acme", "model": "kiosk"}
)
GATE = make_device_class("", {"manufacturer": "acme", "model": "gate"})
NOW = at_second(100)


def a_kiosk_command(workflow_id: str = "w1") -> DeviceCommand:
    return a_command(workflow_id, class_id=kiosk_id())


def kiosk_id() -> str:
    seen = view(a_record(a_change(2, started()))).device_class
    assert seen is not None
    return seen.class_id


subgroups = st.builds(Subgroup, st.booleans(), st.sampled_from([None, at_second(50)]))


@st.composite
def deployments(draw: st.DrawFn) -> list[Deployment]:
    """Deployments of one group, some not started, some for another class."""
    return [
        a_deployment(
            f"w{index}",
            starts_at=at_second(draw(st.integers(0, 200))),
            created_at=at_second(draw(st.integers(0, 3))),
            compatibility=(
                {
                    "manufacturer": "acme",
                    "model": draw(st.sampled_from(["kiosk", "kiosk", "gate"])),
                },
            ),
            subgroups={kiosk_id(): draw(subgroups)},
        )
        for index in range(draw(st.integers(0, 4)))
    ]


reports = st.sampled_from(
    [busy, failed, lambda *key: succeeded(V2, *key), lambda *key: succeeded(V1, *key)]
)


@st.composite
def devices(draw: st.DrawFn) -> DeviceRecord:
    """A device that was asked something, or nothing, and reported on anything."""
    drawn = draw(
        st.lists(
            st.tuples(
                reports,
                st.sampled_from(["w0", "w1", "w2"]),
                st.sampled_from([None, at_second(50)]),
            ),
            max_size=4,
        )
    )
    changes = [a_change(at, report(*key)) for at, (report, *key) in enumerate(drawn, 2)]
    workflow = draw(st.sampled_from([None, "w0", "w1", "w2", "gone"]))
    command = workflow and a_command(
        workflow,
        is_cancel=draw(st.booleans()),
        retry_timestamp=draw(st.sampled_from([None, at_second(50)])),
        class_id=draw(st.sampled_from([kiosk_id(), "class"])),
    )
    return a_record(a_change(1, started()), *changes, commanded=command or None)


@given(devices(), deployments(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_wanted_comes_to_rest_within_three_steps(
    record: DeviceRecord, given_deployments: list[Deployment], random: object
) -> None:
    for _ in range(3):
        command = wanted(record, given_deployments, NOW)
        if command is not None:
            assert command != record.commanded
            record = given_command(record, command, NOW)

    random.shuffle(given_deployments)  # type: ignore[attr-defined]
    assert wanted(record, given_deployments, NOW) is None


@given(devices(), deployments())
@settings(max_examples=100, deadline=None)
def test_what_is_asked_is_only_ever_of_the_deployment_in_force(
    record: DeviceRecord, given_deployments: list[Deployment]
) -> None:
    command = wanted(record, given_deployments, NOW)

    if command is not None and not command.is_cancel:
        seen = view(record).device_class
        assert seen is not None
        newest = in_force(given_deployments, seen, NOW)
        assert newest is not None
        assert command.workflow_id == newest.workflow_id
        is_new = record.commanded is None or record.commanded.workflow_id != newest.workflow_id
        assert command.class_id == seen.class_id or not is_new
        assert newest.starts_at <= NOW
        assert newest.targets(seen)


def test_device_is_asked_for_the_newest_deployment_that_has_started() -> None:
    older = a_deployment("w1", starts_at=at_second(1))
    newer = a_deployment("w2", starts_at=at_second(2))
    waiting = a_deployment("w3", starts_at=at_second(101))
    record = a_record(a_change(2, started()), commanded=a_command("w1"))

    command = wanted(record, [newer, waiting, older], NOW)

    assert command is not None
    assert (command.workflow_id, command.is_cancel, command.retry_timestamp) == ("w2", False, None)
    assert wanted(record, [newer, waiting, older], at_second(101)).workflow_id == "w3"  # type: ignore[union-attr]


def test_deployment_in_force_does_not_hang_on_the_order_of_equally_new_ones() -> None:
    twins = [a_deployment("w1"), a_deployment("w2")]

    assert in_force(twins, KIOSK, NOW) == in_force(twins[::-1], KIOSK, NOW)
    states = {state_for(item, twins, KIOSK, NOW) for item in twins}
    assert states == {DeploymentState.ACTIVE, DeploymentState.INACTIVE}


def test_nothing_is_wanted_before_the_start() -> None:
    record = a_record(a_change(2, started()))

    assert wanted(record, [a_deployment(starts_at=at_second(101))], NOW) is None
    assert wanted(record, [], NOW) is None


@pytest.mark.parametrize("report", [started("gate"), started("kiosk", "other"), busy()])
def test_nothing_is_wanted_of_a_device_that_the_update_does_not_fit(
    report: dict[str, object],
) -> None:
    assert wanted(a_record(a_change(2, report)), [a_deployment()], NOW) is None


@pytest.mark.parametrize(
    ("reports_made", "is_asked"),
    [([], True), ([busy()], True), ([failed()], True), ([succeeded()], False)],
)
def test_cancellation_is_wanted_of_devices_that_have_not_succeeded(
    reports_made: list[dict[str, object]], is_asked: bool
) -> None:
    changes = [a_change(at, report) for at, report in enumerate(reports_made, 3)]
    record = a_record(a_change(2, started()), *changes, commanded=a_kiosk_command())
    cancelled = a_deployment().canceled(kiosk_id())

    command = wanted(record, [cancelled], NOW)

    assert (command is not None and command.is_cancel) is is_asked
    assert wanted(replace(record, commanded=None), [cancelled], NOW) is None
    told = replace(a_kiosk_command(), is_cancel=True, canceled_at=NOW)
    assert wanted(replace(record, commanded=told), [cancelled], NOW) is None


@pytest.mark.parametrize(
    ("reports_made", "is_asked"),
    [([], False), ([busy()], False), ([failed()], True), ([succeeded()], False)],
)
def test_retry_is_wanted_only_of_devices_that_failed(
    reports_made: list[dict[str, object]], is_asked: bool
) -> None:
    changes = [a_change(at, report) for at, report in enumerate(reports_made, 3)]
    record = a_record(a_change(2, started()), *changes, commanded=a_kiosk_command())

    command = wanted(record, [a_deployment().retried(kiosk_id(), NOW)], NOW)

    assert (command is not None) is is_asked
    if command is not None:
        assert (command.workflow_id, command.retry_timestamp) == ("w1", NOW)
        assert view(replace(record, commanded=command)).state is DeviceState.IN_PROGRESS


def test_cancellation_of_one_class_leaves_the_others() -> None:
    cancelled = a_deployment(is_fanned_out=True).canceled(GATE.class_id)

    assert not cancelled.is_fanned_out
    assert cancelled.subgroup(GATE.class_id).is_canceled
    assert not cancelled.subgroup(KIOSK.class_id).is_canceled
    assert wanted(a_record(a_change(2, started())), [cancelled], NOW) is not None


def test_retry_is_refused_when_the_class_is_cancelled() -> None:
    with pytest.raises(Conflict) as refused:
        a_deployment().canceled("c").retried("c", NOW)

    assert refused.value.target == "deploymentId"
    elsewhere = a_deployment().canceled("c").retried("other", NOW)
    assert elsewhere.subgroup("other").retry_timestamp == NOW


def test_state_is_superseded_active_or_cancelled() -> None:
    older, newer = a_deployment("w1"), a_deployment("w2", starts_at=at_second(1))
    both = [older, newer]

    assert state_for(older, both, KIOSK, NOW) is DeploymentState.INACTIVE
    assert state_for(newer, both, KIOSK, NOW) is DeploymentState.ACTIVE
    assert state_for(older, both, GATE, NOW) is DeploymentState.ACTIVE
    assert (
        state_for(older, [older, replace(newer, starts_at=at_second(999))], KIOSK, NOW)
        is DeploymentState.ACTIVE
    )
    dead = older.canceled(KIOSK.class_id)
    assert state_for(dead, [dead, newer], KIOSK, NOW) is DeploymentState.CANCELED


def test_deployment_of_one_class_targets_no_other() -> None:
    alone = a_deployment(only_class_id=GATE.class_id)

    assert not alone.targets(KIOSK)


@pytest.mark.parametrize("identity", ["d", "2024-kiosk_1.2:x", "é" * 66, "x" * 73])
def test_deployment_id_passes_when_legal(identity: str) -> None:
    assert check_deployment_id(identity) == identity


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "D",
        "a b",
        "a/b",
        "a\\b",
        'a"',
        "a#",
        "a?",
        "a&",
        "[a]",
        "{a}",
        "a|",
        "<a>",
        "a^",
        "a\n",
        "a\x85",
        "a\u2028b",
        "a\u202eb",
        "a\u200bb",
        "a\ue000",
        ".",
        "..",
        "x" * 74,
        "é" * 67,
        "😀" * 34,
    ],
)
def test_deployment_id_is_refused_when_illegal(identity: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_deployment_id(identity)

    assert refused.value.target == "deploymentId"


def test_device_is_not_sent_back_when_the_newer_deployment_is_forgotten() -> None:
    older = a_deployment("older", starts_at=at_second(1))
    newer = a_deployment("newer", starts_at=at_second(2))
    fresh = a_record(a_change(2, started()))
    command = wanted(fresh, [older, newer], NOW)
    assert command is not None
    asked = given_command(fresh, command, NOW)
    updated = fold(asked, a_change(3, succeeded(workflow_id="newer")))

    assert wanted(updated, [older], NOW) is None
    assert wanted(fresh, [older], NOW) is not None


def test_device_that_never_saw_the_newer_deployment_falls_back_to_the_older() -> None:
    older = a_deployment("older", starts_at=at_second(1))
    newer = a_deployment("newer", starts_at=at_second(2))
    fresh = a_record(a_change(2, started()))
    command = wanted(fresh, [older, newer], NOW)
    assert command is not None

    back = wanted(given_command(fresh, command, NOW), [older], NOW)

    assert back is not None
    assert back.workflow_id == "older"
