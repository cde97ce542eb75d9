"""What becomes of a device that was asked for the deployment that decides about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.contract.codes import Erc
from shared.domain.fleet.asking import CANCEL_DEADLINE
from shared.domain.fleet.command import DeviceCommand, SignatureGeneration
from shared.domain.fleet.deployment import Deployment, Subgroup
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.orders import Order, OrderKind
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.instant import later
from shared.domain.rollouts.progress import Hold, Status
from shared.domain.rollouts.specification import Deadlines, Window
from tests.builders.decisions import (
    ASKED,
    a_device,
    a_phased,
    canceled,
    decide,
    kiosk_id,
    withdrawn,
)
from tests.unit.domain.builders import (
    a_deployment,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)

PLAIN = a_deployment("w1")
HELD = a_phased(hold=Hold.WITHDRAW, status=Status.PAUSED)
MINUTE = Deadlines(start="PT1M", progress="PT1M", cancel_stuck=True)
STOPPED = canceled(ASKED, at_second(50))
IN_DOWNLOAD = int(Erc.HANDLER_DOWNLOAD_EXCEPTION)
OPEN_AGENT = {"deviceUpdate": {"agent": {"deviceProperties": {"aduVer": "DU;agent/1.2.0"}}}}
NIGHT = (Window(cron="0 3 * * *", duration="PT1H"),)
AT_NIGHT = "2024-05-01T03:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("deployment", "reports", "now", "expected", "why"),
    [
        # nobody is silent before the deadline that counts from the ask
        (a_phased(deadlines=MINUTE), [], 69, Decision(look_at=at_second(70)), Why.ASKED),
        (a_phased(deadlines=MINUTE), [], 70, withdrawn(ASKED, at_second(70)), Why.SILENT),
        (PLAIN, [], 80_000, Decision(), Why.ASKED),
        # a device that has begun is never silent, only stuck, which counts from its last report
        (a_phased(deadlines=MINUTE), [busy()], 79, Decision(), Why.IN_PROGRESS),
        (a_phased(deadlines=MINUTE), [busy()], 80, canceled(ASKED, at_second(80)), None),
        (a_phased(deadlines=Deadlines(progress="PT1M")), [busy()], 80, Decision(), Why.IN_PROGRESS),
        (PLAIN, [busy()], 80_000, Decision(), Why.IN_PROGRESS),
        # a pause that withdraws takes back what nobody has begun, one that does not leaves it
        (HELD, [], 100, withdrawn(ASKED), Why.PAUSED),
        (HELD, [busy()], 100, Decision(), Why.IN_PROGRESS),
        (HELD, [succeeded()], 100, Decision(), Why.HAS_IT),
        (a_phased(hold=Hold.ASKS, status=Status.PAUSED), [], 100, None, Why.ASKED),
        # the agent of a device that has failed would begin again when it starts
        (HELD, [failed()], 100, canceled(ASKED), Why.FAILED),
        (PLAIN, [failed()], 100, Decision(), Why.FAILED),
    ],
)
def test_device_is_followed_up_by_what_it_has_reported(
    deployment: Deployment,
    reports: list[dict[str, Any]],
    now: int,
    expected: Decision | DeviceCommand | None,
    why: Why | None,
) -> None:
    found, notes = decide(a_device(*reports), deployment, now=at_second(now))

    if expected is None:
        assert found.command is None
    else:
        assert found == (expected if isinstance(expected, Decision) else Decision(expected))
    assert notes == ([] if why is None else [(why, "w1", "")])


def test_command_is_taken_back_from_a_device_that_is_at_home_elsewhere() -> None:
    elsewhere = replace(ASKED, group_id="lobby")

    found, notes = decide(a_device(asked=elsewhere), PLAIN)

    assert found == Decision(withdrawn(elsewhere))
    assert notes == [(Why.WITHDRAWN, "w1", "")]
    assert decide(a_device(busy(), asked=elsewhere), PLAIN)[0] == Decision()


def test_device_that_was_told_to_stop_is_waited_for_one_day() -> None:
    record = a_device(busy(), asked=STOPPED)
    end = later(at_second(50), CANCEL_DEADLINE)
    before = later(end, -timedelta(microseconds=1))

    for deployment in (PLAIN, a_phased(deadlines=MINUTE)):
        assert decide(record, deployment, now=before) == (
            Decision(look_at=end),
            [(Why.CANCELING, "w1", end)],
        )
        found, _ = decide(record, deployment, now=end)
        assert found == Decision(replace(STOPPED, is_given_up=True))
    assert decide(a_device(failed(), asked=STOPPED), HELD) == (
        Decision(),
        [(Why.FAILED, "w1", "")],
    )
    assert decide(a_device(asked=STOPPED), PLAIN) == (
        Decision(),
        [(Why.CANCELED_BY_DEVICE, "w1", "")],
    )


def retried(at: str, **changes: Any) -> Deployment:
    return a_deployment("w1", subgroups={kiosk_id(): Subgroup(retry_timestamp=at)}, **changes)


def ordered(at: str, workflow_id: str = "w1", kind: OrderKind = OrderKind.RETRY) -> Order:
    return Order(kind, workflow_id, at)


@pytest.mark.parametrize(
    ("reports", "changes", "deployment"),
    [
        pytest.param([failed()], {}, retried(at_second(10)), id="not newer than the ask"),
        pytest.param([failed()], {}, PLAIN, id="nobody asked for it"),
        pytest.param(
            [failed()],
            {"orders": (ordered(at_second(60), "w0"),)},
            PLAIN,
            id="ordered for another deployment",
        ),
        pytest.param([busy()], {}, retried(at_second(60)), id="has not failed"),
        pytest.param([succeeded()], {}, retried(at_second(60)), id="has succeeded"),
        pytest.param(
            [busy()], {"commanded": STOPPED}, retried(at_second(60)), id="has not stopped yet"
        ),
        pytest.param(
            [failed()],
            {"orders": (ordered(at_second(60)),)},
            a_phased(hold=Hold.ASKS, status=Status.PAUSED),
            id="the roll-out is paused",
        ),
    ],
)
def test_device_is_not_asked_again(
    reports: list[dict[str, Any]], changes: dict[str, Any], deployment: Deployment
) -> None:
    found, _ = decide(a_device(*reports, **changes), deployment)

    assert found.command is None
    assert found.deployment is None


_ELSEWHERE = replace(ASKED, group_id="lobby", class_id="another")
_AGAIN = replace(ASKED, retry_timestamp=at_second(60), retry_count=1)


@pytest.mark.parametrize(
    ("record", "deployment", "link_life", "expected"),
    [
        pytest.param(
            a_device(failed()), retried(at_second(60)), 91, _AGAIN, id="what it has is used again"
        ),
        pytest.param(
            a_device(failed()),
            retried(at_second(60)),
            90,
            replace(_AGAIN, ask=1),
            id="links are too old",
        ),
        pytest.param(
            a_device(failed(erc=IN_DOWNLOAD)),
            retried(at_second(60)),
            999,
            replace(_AGAIN, ask=1),
            id="it failed in download",
        ),
        pytest.param(
            a_device(asked=replace(STOPPED, ask=3, withdrawn_at="", is_given_up=True)),
            retried(at_second(60)),
            999,
            replace(_AGAIN, ask=4),
            id="it was told to stop",
        ),
        pytest.param(
            a_device(failed(), orders=(ordered(at_second(60)),)),
            retried(at_second(30)),
            999,
            _AGAIN,
            id="the newest wish counts",
        ),
        pytest.param(
            a_device(failed(), asked=replace(_ELSEWHERE, retry_count=2)),
            retried(at_second(60), issue=SignatureGeneration(2, 1)),
            999,
            None,
            id="signed anew, where it is at home now",
        ),
    ],
)
def test_device_that_failed_is_asked_again(
    record: DeviceRecord, deployment: Deployment, link_life: int, expected: DeviceCommand | None
) -> None:
    if expected is None:
        expected = replace(_AGAIN, issue=SignatureGeneration(2, 1), retry_count=3)

    found, notes = decide(record, deployment, link_life=timedelta(seconds=link_life))

    assert found == Decision(expected, deployment)
    assert notes[-1] == (Why.RETRY_DUE, "w1", "")


def test_retry_waits_for_the_window() -> None:
    deployment = retried(at_second(60), own_windows=NIGHT)

    found, notes = decide(a_device(failed()), deployment)

    assert found == Decision(deployment=deployment, look_at=AT_NIGHT, remind_at=AT_NIGHT)
    assert notes == [(Why.WINDOW_CLOSED, "w1", AT_NIGHT)]


def test_open_agent_that_may_run_the_failed_update_again_is_told_to_stop_before_a_retry() -> None:
    reports = (OPEN_AGENT, failed(), busy())
    deployment = retried(at_second(60))

    noted = [(Why.WORKS_ON_ANOTHER, "w1", "")]
    assert decide(a_device(*reports), deployment) == (Decision(canceled(ASKED)), noted)
    assert decide(a_device(*reports, asked=STOPPED), deployment) == (Decision(), noted)
    assert decide(a_device(*reports[1:]), deployment)[0] == Decision(_AGAIN, deployment)


@pytest.mark.parametrize("deployment", [PLAIN, a_phased()])
def test_withdrawn_command_is_given_again_once_the_device_is_heard(deployment: Deployment) -> None:
    taken = withdrawn(replace(ASKED, ask=1), at_second(30))
    silent = a_device(asked=taken)
    alive = a_device(asked=taken, heard_at=at_second(31))

    assert decide(silent, deployment) == (Decision(), [(Why.WITHDRAWN, "w1", "")])
    assert decide(a_device(asked=taken, heard_at=at_second(30)), deployment)[0] == Decision()
    assert decide(alive, deployment) == (
        Decision(replace(ASKED, ask=2), deployment),
        [(Why.DUE, "w1", "")],
    )


def test_withdrawn_command_stays_so_while_the_roll_out_is_paused_or_the_window_closed() -> None:
    alive = a_device(asked=withdrawn(ASKED, at_second(30)), heard_at=at_second(31))
    waiting = a_deployment("w1", own_windows=NIGHT)

    assert decide(alive, HELD) == (Decision(), [(Why.PAUSED, "w1", "")])
    assert decide(alive, waiting)[0] == Decision(
        deployment=waiting, look_at=AT_NIGHT, remind_at=AT_NIGHT
    )


@pytest.mark.parametrize(
    ("reports", "is_renewed"),
    [
        ([], True),
        ([busy()], True),
        ([succeeded()], False),
        ([failed()], False),
        ([failed(erc=int(Erc.SIGNING_KEY_DISABLED))], True),
    ],
)
def test_new_signature_is_handed_to_devices_that_may_still_need_it(
    reports: list[dict[str, Any]], is_renewed: bool
) -> None:
    signed = SignatureGeneration(2, 2)

    found, _ = decide(a_device(*reports), a_deployment("w1", issue=signed))

    assert found.command == (replace(ASKED, issue=signed) if is_renewed else None)
    current = a_device(*reports, asked=replace(ASKED, issue=signed))
    assert decide(current, a_deployment("w1", issue=signed))[0].command is None


def _canceled(deployment: Deployment) -> Deployment:
    return deployment.canceled(kiosk_id())


def _recalled(deployment: Deployment) -> Deployment:
    return deployment.recalled("unsafe")


@pytest.mark.parametrize(
    ("reports", "end", "is_stopped"),
    [
        ([], _canceled, True),
        ([busy()], _canceled, True),
        ([failed()], _canceled, True),
        ([succeeded()], _canceled, False),
        ([succeeded()], _recalled, True),
        ([], _recalled, True),
    ],
)
def test_end_of_a_deployment_stops_who_has_not_succeeded_and_a_recall_everybody(
    reports: list[dict[str, Any]], end: Callable[[Deployment], Deployment], is_stopped: bool
) -> None:
    found, notes = decide(a_device(*reports), end(PLAIN))

    assert found == Decision(canceled(ASKED) if is_stopped else None)
    assert notes == [(Why.ENDED if end is _recalled else Why.CANCELED_FOR_CLASS, "w1", "")]


def test_command_that_nobody_has_begun_is_taken_back_when_its_window_closes() -> None:
    """A roll-out has its closings noticed by its sums, another deployment reminds of the device."""
    before, after = "2024-05-01T03:59:00.000000+00:00", "2024-05-01T04:00:00.000000+00:00"
    asked = replace(ASKED, at=AT_NIGHT, asked_at=AT_NIGHT)
    plain, phased = a_deployment("w1", own_windows=NIGHT), a_phased(windows=NIGHT)
    left = a_phased(windows=NIGHT, on_close="Leave")

    assert decide(a_device(asked=asked), plain, now=before)[0] == Decision(remind_at=after)
    assert decide(a_device(asked=asked), phased, now=before)[0].closes_at == after
    assert decide(a_device(asked=asked), left, now=before)[0].closes_at == ""
    for deployment in (plain, phased):
        found, notes = decide(a_device(asked=asked), deployment, now=after)
        assert found.command == withdrawn(asked, after)
        assert notes == [(Why.WINDOW_CLOSED, "w1", "")]
        assert decide(a_device(busy(), asked=asked), deployment, now=after)[0].command is None
    assert decide(a_device(asked=asked), left, now=after)[0].command is None


def test_startup_of_an_agent_is_no_sign_of_a_command() -> None:
    found, _ = decide(a_device(started()), HELD)

    assert found == Decision(withdrawn(ASKED))
