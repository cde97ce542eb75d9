"""What a deployment says of itself: whom it may ask, when, and what an operator's deed leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.command import DEFAULT_PRIORITY, SignatureGeneration
from shared.domain.fleet.deployment import (
    Deployment,
    DeploymentState,
    RollbackPolicy,
    Subgroup,
    in_force,
    is_active,
    rollback_for,
    state_for,
)
from shared.domain.fleet.device_class import make_device_class
from shared.domain.rollouts.progress import Hold, Status
from shared.domain.rollouts.specification import Phase, Select, Window
from tests.builders.decisions import a_phased
from tests.unit.domain.builders import V1, a_deployment, at_second

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
RED = make_device_class("", {"manufacturer": "acme", "model": "kiosk", "colour": "red"})
GATE = make_device_class("", {"manufacturer": "acme", "model": "gate"})
NOW = at_second(100)
PLAIN = a_deployment("w1")
NIGHT = (Window(cron="0 3 * * *", duration="PT1H"),)


@pytest.mark.parametrize(
    ("failed", "total", "expected"),
    [(0, 0, False), (1, 2, False), (2, 4, True), (2, 5, False), (3, 6, True), (3, 7, False)],
)
def test_rollback_is_due_when_both_thresholds_are_reached(
    failed: int, total: int, expected: bool
) -> None:
    assert RollbackPolicy(V1, 50, 2).is_due(failed, total) is expected
    assert not RollbackPolicy(V1, 50, 2).is_due(100, 201)
    assert not RollbackPolicy(V1, 0, 0).is_due(0, total)
    assert RollbackPolicy(V1, 0, 0).is_due(1, 1_000_000)


def test_roll_out_says_when_and_before_what_devices_are_asked() -> None:
    phased = a_phased(priority=700, windows=NIGHT, seed="s", on_close="Leave")
    undo = a_deployment("w2", undoes="w1", undone_priority=800, own_windows=NIGHT)

    assert [item.priority for item in (PLAIN, phased, undo)] == [DEFAULT_PRIORITY, 700, 800]
    assert [item.windows for item in (PLAIN, phased, undo)] == [(), NIGHT, NIGHT]
    assert [item.seed for item in (PLAIN, phased, a_phased("w3"))] == ["w1", "s", "w3"]
    assert [item.withdraws_on_close for item in (PLAIN, phased, a_phased())] == [True, False, True]


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (PLAIN, True),
        (replace(PLAIN, undoes="w0"), False),
        (replace(PLAIN, ignores_device_window=True), False),
        (a_phased(), True),
        (a_phased(ignore_device_window=True), False),
        (replace(a_phased(), undoes="w0"), True),
    ],
)
def test_window_of_a_device_counts_unless_it_is_to_be_ignored(
    deployment: Deployment, expected: bool
) -> None:
    assert deployment.heeds_device_window is expected


def of_percent(percent: float, status: Status = Status.COMPLETED) -> Deployment:
    few = Phase(select=Select(percent=1))
    return a_phased(status=status, phases=(few, Phase(select=Select(percent=percent))))


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (PLAIN, True),
        (replace(PLAIN, undoes="w0"), False),
        (of_percent(100), True),
        (of_percent(99), False),
        (of_percent(100, Status.RUNNING), False),
        (replace(of_percent(100), progress=None), False),
        (a_phased(status=Status.COMPLETED, phases=(Phase(select=Select(count=9)),)), False),
    ],
)
def test_deployment_reaches_everybody_at_once_or_when_its_last_phase_is_everybody(
    deployment: Deployment, expected: bool
) -> None:
    assert deployment.reaches_everybody is expected


def test_deployment_counts_from_its_start_and_a_roll_out_once_a_phase_is_open() -> None:
    assert a_deployment(starts_at=NOW).has_started(NOW)
    assert not a_deployment(starts_at=at_second(101)).has_started(NOW)
    assert a_phased().has_started(NOW)
    assert not a_phased(opened=0).has_started(NOW)
    assert not replace(a_phased(), progress=None).has_started(NOW)
    assert not a_phased(given={"starts_at": at_second(101)}).has_started(NOW)


@pytest.mark.parametrize(
    ("deployment", "may_ask", "is_final"),
    [
        (PLAIN, True, False),
        (PLAIN.canceled(KIOSK.class_id), False, False),
        (PLAIN.canceled(GATE.class_id), True, False),
        (PLAIN.recalled("unsafe"), False, True),
        (a_phased(), True, False),
        (a_phased(status=Status.COMPLETED), True, False),
        (a_phased(status=Status.ABORTED), False, True),
        (a_phased(status=Status.PAUSED), False, False),
        (a_phased(hold=Hold.ASKS), False, False),
        (a_phased().canceled(KIOSK.class_id), False, False),
        (replace(a_phased(), progress=None), False, False),
    ],
)
def test_devices_are_asked_as_long_as_nobody_has_stopped_it(
    deployment: Deployment, may_ask: bool, is_final: bool
) -> None:
    assert deployment.may_ask(KIOSK.class_id) is may_ask
    assert deployment.is_final is is_final


FANNED = a_deployment("w1", is_fanned_out=True, fan_out_until=at_second(50))


def canceled(deployment: Deployment) -> Deployment:
    return deployment.canceled(KIOSK.class_id)


def retried(deployment: Deployment) -> Deployment:
    return deployment.retried(KIOSK.class_id, NOW)


@pytest.mark.parametrize(
    ("deed", "subgroup"),
    [
        (canceled, Subgroup(is_canceled=True)),
        (lambda item: item.deleted(KIOSK.class_id), Subgroup(is_deleted=True)),
        (retried, Subgroup(retry_timestamp=NOW)),
        (lambda item: canceled(retried(item)), Subgroup(is_canceled=True, retry_timestamp=NOW)),
        (lambda item: item.recalled("unsafe"), Subgroup(is_canceled=True)),
        (lambda item: item.renewed(2, 0), Subgroup()),
    ],
)
def test_devices_are_looked_at_again_after_a_deed_of_an_operator(
    deed: Callable[[Deployment], Deployment], subgroup: Subgroup
) -> None:
    deployment = deed(FANNED)

    assert deployment.subgroup(KIOSK.class_id) == subgroup
    assert (deployment.is_fanned_out, deployment.fan_out_until) == (False, "")
    others = deployment.subgroup(GATE.class_id)
    assert others == Subgroup(is_canceled=deployment.recall_reason is not None)
    assert deployment.targets(KIOSK) is not subgroup.is_deleted


def test_what_was_done_for_a_class_before_stays() -> None:
    assert retried(FANNED.deleted(KIOSK.class_id)).subgroup(KIOSK.class_id) == Subgroup(
        is_deleted=True, retry_timestamp=NOW
    )
    assert retried(FANNED).deleted(KIOSK.class_id).subgroup(KIOSK.class_id) == Subgroup(
        is_deleted=True, retry_timestamp=NOW
    )


@pytest.mark.parametrize(
    ("known", "edition", "revoked", "expected"),
    [
        (SignatureGeneration(1, 0), 2, 0, SignatureGeneration(2, 0)),
        (SignatureGeneration(1, 0), 2, 1, SignatureGeneration(2, 0)),
        (SignatureGeneration(1, 0), 2, 2, SignatureGeneration(2, 2)),
        (SignatureGeneration(2, 2), 3, 2, SignatureGeneration(3, 2)),
        (SignatureGeneration(2, 2), 4, 3, SignatureGeneration(4, 4)),
    ],
)
def test_workflow_is_new_for_devices_only_where_they_refuse_what_was_signed_before(
    known: SignatureGeneration, edition: int, revoked: int, expected: SignatureGeneration
) -> None:
    assert replace(FANNED, issue=known).renewed(edition, revoked).issue == expected


def undo(**changes: Any) -> Deployment:
    return a_deployment("undo", undoes="w1", update_id=V1, **changes)


def test_rollback_counts_for_the_classes_it_is_for_once_it_has_started() -> None:
    of_red = undo(only_class_id=RED.class_id)
    newer = replace(undo(starts_at=at_second(9)), workflow_id="undo-2")

    assert rollback_for(PLAIN, [PLAIN, of_red], RED, NOW) == of_red
    assert rollback_for(PLAIN, [PLAIN, of_red], KIOSK, NOW) is None
    assert rollback_for(PLAIN, [undo(starts_at=at_second(101))], KIOSK, NOW) is None
    assert rollback_for(PLAIN, [newer, undo()], KIOSK, NOW) == newer
    assert in_force([PLAIN, of_red], RED, NOW) == of_red
    assert in_force([PLAIN, of_red], KIOSK, NOW) == PLAIN
    assert in_force([], KIOSK, NOW) is None
    assert state_for(PLAIN, [PLAIN, of_red], RED, NOW) is DeploymentState.INACTIVE
    assert state_for(PLAIN, [PLAIN, of_red], KIOSK, NOW) is DeploymentState.ACTIVE


def test_newer_roll_out_supersedes_only_once_it_reaches_everybody() -> None:
    running, completed = (
        replace(of_percent(100, status), workflow_id="w2", starts_at=at_second(5))
        for status in (Status.RUNNING, Status.COMPLETED)
    )

    assert state_for(PLAIN, [PLAIN, running], KIOSK, NOW) is DeploymentState.ACTIVE
    assert state_for(PLAIN, [PLAIN, completed], KIOSK, NOW) is DeploymentState.INACTIVE
    assert state_for(completed, [PLAIN, completed], KIOSK, NOW) is DeploymentState.ACTIVE
    aborted = a_phased(status=Status.ABORTED)
    assert state_for(aborted, [aborted], KIOSK, NOW) is DeploymentState.CANCELED


def test_deployment_is_active_while_one_class_may_be_asked() -> None:
    newer = a_deployment("w2", starts_at=at_second(5), only_class_id=KIOSK.class_id)
    everybody = [KIOSK, RED, GATE]

    assert is_active(PLAIN, [PLAIN, newer], everybody, NOW)
    assert not is_active(PLAIN, [PLAIN, newer], [KIOSK, GATE], NOW)
    assert not is_active(PLAIN.canceled(KIOSK.class_id), [PLAIN], [KIOSK], NOW)
    # a class may still come
    assert is_active(PLAIN, [PLAIN], [GATE], NOW)
    assert not is_active(PLAIN.recalled("unsafe"), [PLAIN], [GATE], NOW)
