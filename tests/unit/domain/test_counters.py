from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.compliance import (
    StateCounts,
    compliance,
    connections,
    failing_counts,
    failure_counts,
    state_counts,
)
from shared.domain.fleet.counters import (
    CounterKey,
    Counts,
    History,
    apply,
    contribution,
    difference,
    history_contribution,
    moved_on,
    net,
    outcome_in,
    resumed_workflow,
    total,
)
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    device_key,
    fold,
    fold_connection,
    fold_deletion,
    has_agent,
    view,
)
from shared.domain.rollouts.figures import slot_end
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


@dataclass
class Ledger:
    """Devices, their histories, and counters that only ever saw differences."""

    devices: dict[str, DeviceRecord] = field(default_factory=dict)
    history: dict[tuple[str, str], History] = field(default_factory=dict)
    counts: dict[CounterKey, dict[str, int]] = field(default_factory=dict)

    def write(self, after: DeviceRecord) -> None:
        before = self.devices.get(after.key)
        moved = moved_on(before, after)
        gone = self.history.pop((resumed_workflow(before, after) or "", after.key), None)
        was = contribution(before) if before else {}
        change = difference(was, contribution(after), moved, gone)
        for place, cells in change.items():
            self.counts[place] = apply(self.counts.get(place, {}), cells)
        self.devices[after.key] = after
        if moved is not None:
            self.history[moved.workflow_id, after.key] = moved

    def recount(self) -> Counts:
        rows = [contribution(record) for record in self.devices.values()]
        rows += [history_contribution(item) for item in self.history.values()]
        return total(rows)


steps = st.tuples(
    st.sampled_from(["d1", "d2", "d3"]),
    st.one_of(
        st.sampled_from([started(), started("gate"), busy(), failed(), succeeded(), succeeded(V1)]),
        st.sampled_from(["lobby", "hall"]),
        st.booleans(),
        st.sampled_from([a_command("w1"), a_command("w2", group_id="lobby"), a_command("w3")]),
        st.none(),
    ),
)


def changed(record: DeviceRecord, what: object, now: int) -> DeviceRecord:
    if isinstance(what, bool):
        return fold_connection(record, is_connected=what, sequence_number=f"{now:x}")
    if isinstance(what, str):
        return fold(record, a_change(now, group=what))
    if isinstance(what, dict):
        return fold(record, a_change(now, what))
    if what is None:
        return fold_deletion(record, at_second(now), None)
    assert isinstance(what, type(a_command()))
    return replace(record, commanded=what)


@given(st.lists(steps, max_size=30))
@settings(max_examples=100, deadline=None)
def test_counters_equal_a_recount_after_any_changes(story: list[tuple[str, object]]) -> None:
    ledger = Ledger()

    for now, (device_id, what) in enumerate(story, 1):
        record = ledger.devices.get(device_id, DeviceRecord(device_id))
        ledger.write(changed(record, what, now))

    counted = {place: cells for place, cells in ledger.counts.items() if cells}
    assert counted == ledger.recount()
    assert all(count > 0 for cells in counted.values() for count in cells.values())


@given(st.lists(steps, max_size=30), st.sampled_from([None, V1, V2]))
@settings(max_examples=100, deadline=None)
def test_compliance_and_states_partition_the_devices(
    story: list[tuple[str, object]], best: object
) -> None:
    ledger = Ledger()
    for now, (device_id, what) in enumerate(story, 1):
        record = ledger.devices.get(device_id, DeviceRecord(device_id))
        ledger.write(changed(record, what, now))

    for cells in ledger.counts.values():
        found = compliance(cells, best)  # type: ignore[arg-type]
        assert found.on_latest + found.new_available + found.in_progress == found.total
        assert 0 <= found.connected <= found.total
        links = connections([cells])
        assert links.connected + links.disconnected + links.unknown == links.total == found.total
        assert sum(links.heard.values()) == links.total - links.connected
        assert sum(failing_counts(cells).values()) <= found.total
    for workflow_id in ("w1", "w2", "w3"):
        asked = sum(state_counts(cells, workflow_id).commanded for cells in ledger.counts.values())
        ever = {key for key, record in ledger.devices.items() if _runs(record, workflow_id)}
        ever |= {key for workflow, key in ledger.history if workflow == workflow_id}
        assert asked == len(ever)
        for cells in ledger.counts.values():
            failed_ones = sum(failure_counts(cells, workflow_id).values())
            assert failed_ones == state_counts(cells, workflow_id).failed


def _runs(record: DeviceRecord, workflow_id: str) -> bool:
    asked = record.commanded
    return asked is not None and asked.workflow_id == workflow_id and has_agent(record)


def test_device_that_comes_back_to_a_deployment_is_counted_there_once() -> None:
    ledger = Ledger()
    record = a_record(a_change(2, started()))
    asked = [a_command("w1"), a_command("w2"), a_command("w1"), a_command("w3")]

    for command in asked:
        record = replace(record, commanded=command)
        ledger.write(record)

    (cells,) = [cells for place, cells in ledger.counts.items() if place[1] == "class"]
    assert state_counts(cells, "w1") == StateCounts(in_progress=1)
    assert sorted(workflow for workflow, _ in ledger.history) == ["w1", "w2"]


def test_history_keeps_the_state_in_which_a_device_moved_on() -> None:
    old = a_record(a_change(2, started()), a_change(3, failed()), commanded=a_command("w1"))

    moved = moved_on(old, replace(old, commanded=a_command("w2")))

    assert moved is not None
    assert (moved.workflow_id, moved.deployment_id, moved.state) == (
        "w1",
        "deployment-w1",
        "Failed",
    )
    assert moved_on(old, replace(old, commanded=a_command("w1", is_cancel=True))) is None
    assert moved_on(None, old) is None


def test_module_is_counted_apart_from_its_device() -> None:
    records = [
        a_record(a_change(2, started(), module_id=module_id)) for module_id in (None, "m1", "m2")
    ]

    assert [record.key for record in records] == ["d1", device_key("d1", "m1"), "d1/m2"]
    (cells,) = total(map(contribution, records)).values()
    assert cells["total"] == 3


def test_net_change_names_rows_whose_cells_stay_but_come_from_other_devices() -> None:
    there = contribution(a_record(a_change(2, started())))

    swapped = net([difference({}, there), difference(there, {})])

    assert swapped == {place: {} for place in there}
    assert net([difference(there, there)]) == net([]) == {}


def test_device_that_moves_on_names_the_row_of_its_older_deployment() -> None:
    old = a_record(a_change(2, started()), commanded=a_command("w1"))
    new = replace(old, commanded=None)

    change = difference(contribution(old), contribution(new), moved_on(old, new))

    assert change["$default", "class"] == {}


def test_in_progress_device_is_busy_whatever_is_installed() -> None:
    record = a_record(
        a_change(2, started()), a_change(3, succeeded(V1, "w0")), commanded=a_command()
    )
    (cells,) = [
        cells for place, cells in contribution(record).items() if place[1] == _class_id(record)
    ]

    found = compliance(cells, V1)

    assert (found.total, found.on_latest, found.in_progress) == (1, 0, 1)


def _class_id(record: DeviceRecord) -> str:
    seen = view(record).device_class
    assert seen is not None
    return seen.class_id


def test_changes_of_one_device_add_up_to_its_difference() -> None:
    changes: list[TwinChange] = [a_change(2, started()), a_change(3, busy()), a_change(4, failed())]
    records = [a_record(*changes[:end], commanded=a_command()) for end in range(1, 4)]
    counts = [contribution(record) for record in records]
    pairs = zip([{}, *counts], counts, strict=False)

    stepwise = net(starmap(difference, pairs))

    assert stepwise == difference({}, counts[-1])


_ASKED = replace(a_command(), label="2", slot_minutes=60, at=at_second(1), asked_at=at_second(1))
_STOPPED = replace(_ASKED, is_cancel=True, canceled_at=at_second(4))
_SOON = slot_end(at_second(1), 60)


@pytest.mark.parametrize(
    ("reports", "asked", "expected"),
    [
        ([], _ASKED, ("InProgress", None, "", "asked", _SOON)),
        ([], _STOPPED, ("Canceled", None, "", "canceled", _SOON)),
        ([busy()], _ASKED, ("InProgress", 1, "", "started", _SOON)),
        ([busy()], _STOPPED, ("Canceled", 1, at_second(2), "canceled", _SOON)),
        ([busy(), failed()], _ASKED, ("Failed", 0, at_second(3), "failed", _SOON)),
        (
            [succeeded(), succeeded()],
            _ASKED,
            ("Succeeded", 700, at_second(2), "succeeded", _SOON),
        ),
        (
            [failed()],
            replace(_ASKED, label=""),
            ("Failed", 0, at_second(2), "", 0),
        ),
    ],
)
def test_what_is_written_down_of_a_device_that_moves_on(
    reports: list[dict[str, Any]], asked: DeviceCommand, expected: tuple[Any, ...]
) -> None:
    """State, result and end of the deployment, and how its roll-out counts it: a device that was
    told to stop is not waited for any more, and success ended when it was first said.
    """
    changes = [
        a_change(version, report, module_id="m1") for version, report in enumerate(reports, 2)
    ]
    old = a_record(a_change(1, started(), module_id="m1"), *changes, commanded=asked)

    past = moved_on(old, replace(old, commanded=a_command("w2")))

    assert past is not None
    assert (past.device_id, past.module_id) == ("d1", "m1")
    assert past.commanded == replace(asked, is_given_up=asked.is_cancel)
    assert (past.state, past.result_code, past.ended_at, past.outcome, past.until) == expected


def test_outcome_in_an_earlier_deployment_is_by_what_was_reported_about_that_one() -> None:
    reports = a_change(2, failed("w1", erc=0x30300027)), a_change(3, busy("w2"))
    record = a_record(*reports, commanded=a_command("w2"))

    past = outcome_in(record, a_command("w1"))

    assert (past.workflow_id, past.state) == ("w1", "Failed")
    assert past.extended_result_codes == (0x30300027,)


def test_revised_histories_are_counted_as_they_are_now() -> None:
    before = [outcome_in(a_record(), a_command(workflow)) for workflow in ("w1", "w2")]
    after = [replace(past, state=DeviceState.FAILED) for past in before]

    change = difference({}, {}, revised=zip(before, after, strict=True))

    was = total(map(history_contribution, before))
    assert {place: apply(was[place], cells) for place, cells in change.items()} == total(
        map(history_contribution, after)
    )


def test_total_adds_what_each_row_counts() -> None:
    rows = [{("g", "c"): {"total": 2, "connected": 5}}, {("g", "c"): {"total": 3}}]

    assert total(rows) == {("g", "c"): {"total": 5, "connected": 5}}
    assert difference(rows[0], rows[1]) == {("g", "c"): {"total": 1, "connected": -5}}
