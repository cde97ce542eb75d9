from __future__ import annotations

from typing import Any

import pytest

from shared.domain.fleet.completion import final_counts
from shared.domain.fleet.counters import TOTAL, Counts, deployment_cell
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_class import make_device_class
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.specification import Phase, Rollout, Select
from tests.unit.domain.builders import LONG_AGO, a_deployment, at_second

NOW = at_second(100)
KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
RED = make_device_class("", {"manufacturer": "acme", "model": "kiosk", "colour": "red"})
OTHER = make_device_class("", {"manufacturer": "acme", "model": "toaster"})
ROLLOUT = Rollout(phases=(Phase(select=Select(percent=100)),))


def cells(total: int = 0, workflow_id: str = "w1", **states: int) -> dict[str, int]:
    """Counters of one class: members, and devices by state in a deployment."""
    by_state = {
        deployment_cell(workflow_id, DeviceState[name.upper()]): count
        for name, count in states.items()
    }
    return {TOTAL: total, **by_state}


def ended(
    counts: Counts, *others: Deployment, deployment: Deployment | None = None, **changes: Any
) -> dict[str, int] | None:
    """The final counts without those that are 0; None while there are none."""
    item = deployment or a_deployment(**changes)
    found = final_counts(item, [item, *others], [OTHER, KIOSK, RED], counts, NOW)
    return None if found is None else {state.name: each for state, each in found.items() if each}


def of(kiosk: dict[str, int], red: dict[str, int] | None = None) -> Counts:
    found = {("$default", KIOSK.class_id): kiosk}
    return found if red is None else {**found, ("$default", RED.class_id): red}


def test_deployment_has_finished_when_each_device_has_ended() -> None:
    counts = of(cells(3, succeeded=1, failed=1, canceled=1))

    assert ended(counts) == {"SUCCEEDED": 1, "FAILED": 1, "CANCELED": 1}


@pytest.mark.parametrize(
    "kiosk",
    [
        pytest.param(cells(2, succeeded=1, in_progress=1), id="one works"),
        pytest.param(cells(2, succeeded=1), id="one was not asked"),
        pytest.param(cells(2), id="nobody was asked"),
        pytest.param({}, id="there is nobody"),
    ],
)
def test_deployment_has_not_finished_while_a_device_is_waited_for(kiosk: dict[str, int]) -> None:
    assert ended(of(kiosk)) is None


def test_deployment_that_has_not_begun_has_not_finished() -> None:
    counts = of(cells(1, succeeded=1))

    assert ended(counts, starts_at=at_second(101)) is None
    assert ended(counts, starts_at=NOW) == {"SUCCEEDED": 1}


def test_classes_after_an_empty_one_are_waited_for() -> None:
    assert ended(of({}, cells(1, in_progress=1))) is None
    assert ended(of({}, cells(1, succeeded=1))) == {"SUCCEEDED": 1}


def test_devices_of_every_class_are_added_up() -> None:
    counts = of(cells(1, succeeded=1), cells(2, succeeded=1, failed=1))

    assert ended(counts) == {"SUCCEEDED": 2, "FAILED": 1}


def test_members_of_classes_that_it_does_not_fit_are_not_waited_for() -> None:
    counts = {**of(cells(1, succeeded=1)), ("$default", OTHER.class_id): cells(5)}

    assert ended(counts) == {"SUCCEEDED": 1}


def test_other_groups_do_not_count() -> None:
    counts = {("lobby", KIOSK.class_id): cells(1, succeeded=1)}

    assert ended(counts) is None


def test_devices_that_a_newer_deployment_has_taken_over_are_not_waited_for() -> None:
    newer = a_deployment("w2", starts_at=at_second(50))
    counts = of(cells(3, succeeded=1, in_progress=1))

    assert ended(counts, newer) == {"SUCCEEDED": 1, "IN_PROGRESS": 1}


def test_deployment_that_is_cancelled_for_every_class_never_finishes() -> None:
    gone = a_deployment().canceled(KIOSK.class_id)

    assert ended(of(cells(2, canceled=2)), deployment=gone) is None


def test_deployment_that_is_cancelled_for_one_class_finishes_with_the_others() -> None:
    canceled, succeeded = cells(2, canceled=2), cells(1, succeeded=1)

    for gone, counts in ((KIOSK, of(canceled, succeeded)), (RED, of(succeeded, canceled))):
        partly = a_deployment().canceled(gone.class_id)
        assert ended(counts, deployment=partly) == {"SUCCEEDED": 1, "CANCELED": 2}


def test_deployment_that_was_taken_over_before_it_asked_anybody_never_finishes() -> None:
    assert ended(of(cells(3)), a_deployment("w2", starts_at=at_second(50))) is None


def test_devices_that_are_being_cancelled_are_waited_for() -> None:
    partly = a_deployment().canceled(KIOSK.class_id)
    counts = of(cells(2, canceled=1, in_progress=1), cells(1, succeeded=1))

    assert ended(counts, deployment=partly) is None


def test_rollback_waits_for_those_that_what_it_undoes_has_asked() -> None:
    asked = cells(5, workflow_id="w0", succeeded=1, failed=1)

    assert ended(of({**asked, **cells(5, succeeded=1)}), undoes="w0") is None
    assert ended(of({**asked, **cells(5, succeeded=2)}), undoes="w0") == {"SUCCEEDED": 2}


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.COMPLETED])
def test_roll_out_has_not_finished_before_its_last_phase(status: Status) -> None:
    counts = of(cells(1, succeeded=1))

    assert ended(counts, rollout=ROLLOUT, progress=Progress(status=status)) is None


def test_roll_out_that_is_completed_waits_for_nobody() -> None:
    counts = of(cells(9, succeeded=1, in_progress=1))
    progress = Progress(status=Status.COMPLETED, since=LONG_AGO)

    found = ended(counts, rollout=ROLLOUT, progress=progress)

    assert found == {"SUCCEEDED": 1, "IN_PROGRESS": 1}


def test_devices_that_have_left_their_class_count_where_they_were_asked() -> None:
    gone = cells(succeeded=2)
    del gone[TOTAL]  # the class has no members any more

    assert ended(of(gone)) == {"SUCCEEDED": 2}
