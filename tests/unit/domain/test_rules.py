"""Rules of the devices' records, each named after the rule that a mutant once broke unnoticed."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

from shared.domain.fleet.asking import given, has_answered
from shared.domain.fleet.device import deployment_state, evidence_of, fold, view
from shared.domain.fleet.evidence import DeviceState
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


def with_result(report: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A report with other members in its last result."""
    agent = report["deviceUpdate"]["agent"]
    result = {**agent["lastInstallResult"], **members}
    return {
        "deviceUpdate": {**report["deviceUpdate"], "agent": {**agent, "lastInstallResult": result}}
    }


def test_fold_of_two_reports_of_one_version_keeps_the_details_that_one_of_them_lacks() -> None:
    told = with_result(failed(), resultDetails="disk full", extendedResultCode=7)
    silent = with_result(failed(), resultDetails=None)
    found = []
    for reports in permutations((told, silent)):
        changes = [a_change(2, report) for report in reports]
        record = a_record(a_change(1, started()), *changes, commanded=a_command())
        found.append(evidence_of(record))

    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0].result_details == "disk full"


def test_fold_of_two_reports_of_one_version_is_the_same_in_any_order_without_a_result() -> None:
    told, silent = busy(), busy()
    del silent["deviceUpdate"]["agent"]["lastInstallResult"]
    told = with_result(told, extendedResultCode=5)
    records = {
        repr(
            evidence_of(
                a_record(*(a_change(2, report) for report in reports), commanded=a_command())
            )
        )
        for reports in permutations((told, silent))
    }

    assert len(records) == 1


def test_silent_cancelled_device_moves_on_to_the_next_deployment() -> None:
    silent = a_record(a_change(1, started()), commanded=None)
    asked = given(silent, a_command("w1"), at_second(5))
    cancelled = given(
        asked, replace(a_command("w1", is_cancel=True), canceled_at=at_second(6)), at_second(6)
    )
    assert evidence_of(cancelled) is None
    assert deployment_state(cancelled) is DeviceState.CANCELED

    following = wanted(cancelled, [a_deployment("w2", update_id=V1)], at_second(7))

    assert following is not None
    assert (following.workflow_id, following.is_cancel) == ("w2", False)
    moved = given(cancelled, following, at_second(8))
    assert [(item.workflow, item.is_answered) for item in moved.past or ()][-1][1] is False
    assert moved.answered is None
    assert deployment_state(moved) is DeviceState.IN_PROGRESS


def test_silence_is_no_answer_and_any_report_of_the_workflow_is_one() -> None:
    silent = replace(a_record(a_change(1, started())), commanded=a_command())

    assert not has_answered(silent)
    assert has_answered(fold(silent, a_change(2, busy())))
    assert not has_answered(fold(silent, a_change(2, busy("other"))))


def test_success_names_what_was_first_installed_and_when() -> None:
    record = a_record(
        a_change(1, started()),
        a_change(2, succeeded()),
        a_change(3, succeeded()),
        commanded=a_command(),
    )
    evidence = evidence_of(record)

    assert evidence is not None
    assert (evidence.installed_version(V2), evidence.installed_at(V2)) == (2, at_second(2))
    assert (evidence.installed_version(V1), evidence.installed_at(V1)) == (0, "")
    assert view(record).installed == V2
