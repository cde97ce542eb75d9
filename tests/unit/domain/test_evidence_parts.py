"""Reports that come in parts: what is kept of each, and what they say together."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from shared.domain.fleet.evidence import (
    Evidence,
    Installed,
    TwinChange,
    completed,
    joined,
    merged,
    report_of,
    since,
    with_evidence,
    with_nameless,
)
from tests.unit.domain.builders import V1, V2, at_second

REMOVED, UNSAID, IDLE, BUSY, FAILED = -1, -2, 0, 6, 255
NAMED = '{"provider":"acme","name":"kiosk","version":"2.0"}'


def a_change(version: int, agent: Any, **changes: Any) -> TwinChange:
    content = {} if agent is ... else {"agent": agent}
    given: dict[str, Any] = {"is_whole": False, "at": at_second(version), **changes}
    return TwinChange("d1", None, version, content, **given)


def nameless(*changes: TwinChange) -> tuple[Evidence, ...]:
    kept: tuple[Evidence, ...] = ()
    for change in changes:
        kept = with_nameless(kept, change, report_of(change))
    return kept


def a_report(version: int, state: int, workflow_id: str = "", **changes: Any) -> Evidence:
    given: dict[str, Any] = {
        "retry_timestamp": None,
        "version": version,
        "state": state,
        "result_code": None,
        "extended_result_codes": (),
        "result_details": None,
        "at": at_second(version),
    }
    return Evidence(workflow_id, **{**given, **changes})


def seen(kept: tuple[Evidence, ...]) -> list[tuple[int, int, str]]:
    return [(item.version, item.state, item.workflow_id) for item in kept]


RESULT = {"resultCode": 700}


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (..., []),
        ({"state": 0}, [(3, IDLE, "")]),
        ({"state": 255}, [(3, FAILED, "")]),
        (None, [(3, REMOVED, "")]),
        ({"workflow": None}, [(3, REMOVED, "")]),
        ({"workflow": None, "state": 0}, [(3, REMOVED, "")]),
        ({"workflow": {"id": "w1"}}, [(3, UNSAID, "w1")]),
        ({"lastInstallResult": RESULT}, [(3, UNSAID, "")]),
        ({"installedUpdateId": NAMED}, [(3, UNSAID, "")]),
        ({"state": 0, "workflow": {"id": "w1"}}, []),
        ({"deviceProperties": {}}, []),
    ],
)
def test_part_of_a_report_is_kept_for_what_it_is(
    agent: Any, expected: list[tuple[int, int, str]]
) -> None:
    assert seen(nameless(a_change(3, agent))) == expected
    assert nameless(a_change(3, agent, is_whole=True)) == ()


def test_part_keeps_what_it_says_and_when() -> None:
    (end,) = nameless(a_change(3, {"state": 0, "lastInstallResult": RESULT}))
    (gone,) = nameless(a_change(3, None))
    (retry,) = nameless(a_change(3, {"workflow": {"id": "w1", "retryTimestamp": "t"}}))
    (other,) = nameless(a_change(3, {"state": 0, "workflow": {"retryTimestamp": "t"}}))

    assert (end.result_code, end.at, end.retry_timestamp) == (700, at_second(3), None)
    assert (gone.at, gone.version, gone.result_code) == (at_second(3), 3, None)
    assert (retry.workflow_id, retry.retry_timestamp) == ("w1", "t")
    assert (other.state, other.retry_timestamp) == (REMOVED, None)


def test_newest_four_parts_are_kept_in_any_order() -> None:
    changes = [a_change(version, {"state": 0}) for version in range(1, 6)]

    for order in permutations(changes, 5):
        assert [item.version for item in nameless(*order)] == [5, 4, 3, 2]


def test_of_two_parts_of_one_version_the_one_that_says_more_is_kept() -> None:
    more, less = a_change(3, {"state": 0, "lastInstallResult": RESULT}), a_change(3, {"state": 0})

    for order in ((more, less), (less, more)):
        assert [item.result_code for item in nameless(*order)] == [700]


W1 = a_report(5, BUSY, "w1")


def complete(*parts: Evidence, item: Evidence = W1, others: tuple[Evidence, ...] = ()) -> Evidence:
    found = {completed(item, others, order) for order in permutations(parts)}
    (one,) = found
    return one


def an_end(version: int, **changes: Any) -> Evidence:
    return a_report(version, IDLE, result_code=700, **changes)


def test_end_without_a_name_is_of_the_workflow_that_the_twin_names() -> None:
    found = complete(an_end(6, installed=(Installed(V2, 6, at_second(6)),)))

    assert (found.workflow_id, found.version, found.result_code) == ("w1", 6, 700)
    assert found.has_installed(V2)
    assert found.begins == 5
    retried = replace(W1, retry_timestamp="t")
    assert complete(an_end(6), item=retried).retry_timestamp == "t"


@pytest.mark.parametrize(
    ("parts", "others", "is_ended"),
    [
        ([an_end(6)], (), True),
        ([an_end(5)], (), False),
        ([an_end(4)], (), False),
        # another workflow is named since
        ([an_end(7)], (a_report(7, BUSY, "w2"),), False),
        ([an_end(6)], (a_report(7, BUSY, "w2"),), True),
        ([an_end(6)], (a_report(4, BUSY, "w0"),), True),
        ([an_end(6)], (a_report(5, BUSY, "w0"),), True),
        # what named it was removed since, or before
        ([a_report(6, REMOVED), an_end(7)], (), False),
        ([a_report(8, REMOVED), an_end(7)], (), True),
        ([a_report(5, REMOVED), an_end(7)], (), True),
        ([a_report(4, REMOVED), an_end(7)], (), True),
        # a part that names it, or another
        ([a_report(6, UNSAID, "w1"), an_end(7)], (), True),
        ([a_report(6, UNSAID, "w2"), an_end(7)], (), False),
        ([a_report(6, UNSAID), an_end(7)], (), True),
    ],
)
def test_name_holds_until_another_takes_its_place(
    parts: list[Evidence], others: tuple[Evidence, ...], is_ended: bool
) -> None:
    assert (complete(*parts, others=others).result_code == 700) is is_ended


def test_part_without_a_state_is_not_the_workflows_own() -> None:
    part = a_report(6, UNSAID, result_code=0)

    assert complete(part) == W1


def test_workflow_begins_where_it_was_first_named() -> None:
    early = replace(a_report(9, BUSY, "w1"), named_from=3)

    assert complete(an_end(4), item=early).begins == 3
    late = replace(a_report(9, BUSY, "w2"), named_from=6)
    assert complete(an_end(7), others=(late,)).result_code is None
    assert complete(an_end(5), item=a_report(4, BUSY, "w1"), others=(late,)).result_code == 700


def registers(**versions: int | tuple[int, Any]) -> dict[str, tuple[int, Any]]:
    """A twin of these parts, each with its version, or with version and value."""
    paths = {
        "state": ("agent.state", IDLE),
        "workflow": ("agent.workflow.id", "w1"),
        "retry": ("agent.workflow.retryTimestamp", "t"),
        "result": ("agent.lastInstallResult.resultCode", 700),
        "installed": ("agent.installedUpdateId", NAMED),
    }
    found = {}
    for name, given in versions.items():
        path, value = paths[name]
        found[path] = given if isinstance(given, tuple) else (given, value)
    return found


HEARD = at_second(99)


@pytest.mark.parametrize(
    ("versions", "version"),
    [
        ({"state": 6, "workflow": 5}, 6),
        ({"state": 5, "workflow": 6}, 6),
        ({"state": 5, "workflow": 5, "result": 6}, 6),
        ({"state": 5, "workflow": 5, "installed": 7, "result": 6}, 7),
    ],
)
def test_parts_of_several_versions_are_one_report(versions: dict[str, Any], version: int) -> None:
    found = merged(registers(**versions), (), HEARD)

    assert found is not None
    assert (found.workflow_id, found.version, found.state, found.at) == ("w1", version, 0, HEARD)
    assert found.begins == versions["workflow"]


@pytest.mark.parametrize(
    "versions",
    [
        {"state": 5, "workflow": 5},
        {"state": 5, "workflow": 5, "result": 4},
        {"state": 5, "workflow": 5, "result": 5},
        {"state": 5},
        {"workflow": 5},
        {},
        {"state": 5, "workflow": (6, None)},
        {"state": (6, None), "workflow": 5},
        {"state": (5, "text"), "workflow": 6},
        {"state": 5, "workflow": (6, 7)},
    ],
)
def test_one_report_or_half_of_one_is_not_merged(versions: dict[str, Any]) -> None:
    assert merged(registers(**versions), (), HEARD) is None


def test_part_without_a_state_means_that_the_report_came_in_parts() -> None:
    twin = registers(state=5, workflow=5)

    assert merged(twin, [a_report(4, UNSAID)], HEARD) is not None
    assert merged(twin, [a_report(4, IDLE)], HEARD) is None
    assert merged({}, [a_report(4, UNSAID)], HEARD) is None


def test_result_is_of_the_state_that_it_came_with_or_after() -> None:
    results = [
        merged(registers(state=5, workflow=7, result=result), (), HEARD) for result in (4, 5, 6)
    ]

    assert [item and item.result_code for item in results] == [None, 700, 700]


def test_retry_is_of_the_workflow_that_it_came_with_or_after() -> None:
    retries = [
        merged(registers(state=9, workflow=5, retry=retry), (), HEARD) for retry in (4, 5, 6)
    ]

    assert [item and item.retry_timestamp for item in retries] == [None, "t", "t"]


def test_merged_report_is_of_the_time_of_its_newest_part() -> None:
    parts = [a_report(5, UNSAID, at=at_second(55)), a_report(6, IDLE, at=at_second(66))]

    found = merged(registers(state=6, workflow=5), parts, HEARD)

    assert found is not None
    assert found.at == at_second(66)


def test_first_report_that_named_an_update_counts() -> None:
    first, second = Installed(V2, 6, at_second(6)), Installed(V2, 7, at_second(7))
    one = replace(an_end(6), workflow_id="w1", installed=(first,))
    other = replace(an_end(7), workflow_id="w1", installed=(second, Installed(V1, 7, at_second(7))))

    for found in (joined(one, other), joined(other, one)):
        assert found.installed == (first, Installed(V1, 7, at_second(7)))
        assert (found.version, found.begins) == (7, 6)
        assert found.installed_at(V2) == at_second(6)
        assert found.installed_version(V2) == 6
    assert joined(None, one) is one
    assert (one.installed_at(V1), one.installed_version(V1)) == ("", 0)


def test_what_was_before_a_life_is_left_out_of_it() -> None:
    installed = (Installed(V1, 5, at_second(5)), Installed(V2, 6, at_second(6)))
    known = replace(an_end(6), installed=installed, named_from=2)

    found = since(known, at_second(5))

    assert found.installed == installed[1:]
    assert (found.named_from, found.version) == (6, 6)


def test_evidence_of_the_newest_four_workflows_is_kept() -> None:
    kept: tuple[Evidence, ...] = ()
    for version in (3, 1, 5, 2, 4):
        change = a_change(version, {"state": 6, "workflow": {"id": f"w{version}"}})
        kept = with_evidence(kept, change, report_of(change))

    assert [item.workflow_id for item in kept] == ["w5", "w4", "w3", "w2"]
    for agent in ({"state": 6}, {"workflow": {"id": "w9"}}, ...):
        change = a_change(9, agent)
        assert with_evidence(kept, change, report_of(change)) is kept


def test_refused_command_is_the_one_that_was_found_to_be_refused() -> None:
    change = a_change(3, {"state": 255, "workflow": {"id": "w1"}}, refused=("w2", "t"))

    (item,) = with_evidence((), change, report_of(change))

    assert (item.workflow_id, item.retry_timestamp, item.begins) == ("w2", "t", 3)
