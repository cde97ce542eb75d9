"""The words for each thing that the decision about a device looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.explain import Because, Facts, sentence
from shared.domain.fleet.orders import Order, OrderKind
from shared.domain.fleet.reconcile_decision import Why
from shared.domain.fleet.windows import NEVER
from shared.domain.rollouts.progress import Progress, Reason, ReasonCode, Status
from shared.domain.rollouts.selection import place_of
from shared.domain.rollouts.specification import Deadlines, Phase, Select, Window
from tests.builders.decisions import (
    ASKED,
    NOW,
    STARTED,
    a_device,
    a_phased,
    withdrawn,
)
from tests.unit.domain.builders import (
    V1,
    V2,
    a_deployment,
    at_second,
    busy,
    failed,
)

PLAIN = a_deployment("w1")
AT_NIGHT = "2024-05-02T01:00:00.000000+00:00"


def word(
    why: Why,
    deployment: Deployment = PLAIN,
    record: DeviceRecord = STARTED,
    until: str = "",
    **changes: Any,
) -> Because | None:
    given = {"asked_for": V2, "update": None, "deployments": (), "elsewhere": (), "now": NOW}
    facts = Facts(key="d1", record=record, **{**given, **changes})
    return sentence(facts, record, deployment, why, until)


PHASES = (Phase(select=Select(percent=0.01), name="canary"), Phase(select=Select(percent=100)))


def test_a_phase_that_is_still_to_come() -> None:
    deployment = a_phased(phases=PHASES, seed="s")
    place = round(100 * place_of("d1", "s") / 2**64, 2)

    told = word(Why.PHASE_NOT_REACHED, deployment, waits={"w1": "bakes"})

    assert told is not None
    assert told.message == f"It comes in phase 2, 'phase 2' (place {place} %); phase 1 bakes."
    assert told.data["deployment"] == "deployment-w1"
    untold = word(Why.PHASE_NOT_REACHED, deployment)
    assert untold is not None
    assert untold.message.endswith("phase 1 is open.")
    last = word(Why.PHASE_NOT_REACHED, a_phased(phases=PHASES[:1], seed="s"))
    assert last is not None
    assert last.message == f"No phase of 'deployment-w1' reaches the device (place {place} %)."
    assert word(Why.PHASE_NOT_REACHED, PLAIN) is None


def reasoned(status: Status, **more: Any) -> Deployment:
    deployment = a_phased(status=status)
    assert deployment.progress is not None
    reason = Reason(code=ReasonCode.OPERATOR, message="7 of 9 failed")
    made = Progress(
        status=status, opened=deployment.progress.opened, since=at_second(9), reason=reason, **more
    )
    return replace(deployment, progress=made)


@pytest.mark.parametrize(
    ("why", "deployment", "code", "message"),
    [
        (
            Why.ENDED,
            reasoned(Status.ABORTED),
            "Aborted",
            f"'deployment-w1' was aborted at {at_second(9)}: 7 of 9 failed",
        ),
        (
            Why.ENDED,
            reasoned(Status.REJECTED),
            "Rejected",
            f"'deployment-w1' was rejected at {at_second(9)}: 7 of 9 failed",
        ),
        (
            Why.ENDED,
            reasoned(Status.ENDED),
            "Ended",
            f"'deployment-w1' has ended at {at_second(9)}.",
        ),
        (
            Why.ENDED,
            reasoned(Status.ROLLED_BACK),
            "RolledBack",
            "'deployment-w1' was rolled back: 7 of 9 failed",
        ),
        (
            Why.ENDED,
            reasoned(Status.COMPLETED),
            "Ended",
            f"'deployment-w1' has ended at {at_second(9)}.",
        ),
        (Why.ENDED, PLAIN, "Ended", "'deployment-w1' has ended at -."),
        (
            Why.ENDED,
            replace(PLAIN, recall_reason="unsafe"),
            "DeploymentRecalled",
            "'deployment-w1' ended when its update was recalled: unsafe",
        ),
        (
            Why.PAUSED,
            reasoned(Status.PAUSED),
            "Paused",
            f"'deployment-w1' is paused since {at_second(9)}: 7 of 9 failed",
        ),
        (
            Why.PAUSED,
            replace(reasoned(Status.RUNNING, unapproved_since=3), revision=4),
            "AwaitingApproval",
            "'deployment-w1' waits for approval of its revision 4 by somebody else than those who "
            "made or edited it.",
        ),
        (
            Why.NOT_STARTED,
            replace(reasoned(Status.SCHEDULED, unapproved_since=3), revision=4),
            "AwaitingApproval",
            "'deployment-w1' waits for approval of its revision 4 by somebody else than those who "
            "made or edited it.",
        ),
        (
            Why.NOT_STARTED,
            reasoned(Status.REJECTED),
            "Rejected",
            f"'deployment-w1' was rejected at {at_second(9)}: 7 of 9 failed",
        ),
        (
            Why.CANCELED_FOR_CLASS,
            PLAIN,
            "CanceledForClass",
            "'deployment-w1' is cancelled for its device class.",
        ),
        (Why.ROLLED_BACK, PLAIN, "RolledBack", "'deployment-w1' was rolled back: -"),
        (
            Why.GONE_FURTHER,
            PLAIN,
            "GoneFurther",
            "The device has been asked for a newer deployment than that.",
        ),
        (
            Why.ANSWERED_BEFORE,
            PLAIN,
            "AnsweredBefore",
            "The device has already answered 'deployment-w1'; retry to ask it again.",
        ),
    ],
)
def test_where_a_deployment_stands(
    why: Why, deployment: Deployment, code: str, message: str
) -> None:
    told = word(why, deployment)

    assert told is not None
    assert (told.code, told.message, told.until) == (code, message, "")
    assert told.data.get("deployment") == "deployment-w1"


def test_a_deployment_that_starts_later_says_when_that_ends() -> None:
    for deployment in (PLAIN, reasoned(Status.SCHEDULED)):
        told = word(Why.NOT_STARTED, replace(deployment, starts_at=AT_NIGHT))
        assert told is not None
        assert (told.code, told.message, told.until) == (
            "NotStarted",
            f"'deployment-w1' starts at {AT_NIGHT}.",
            AT_NIGHT,
        )
    assert word(Why.PAUSED, PLAIN) is None
    assert word(Why.DUE, PLAIN) is None


@pytest.mark.parametrize(
    ("why", "kind", "message"),
    [
        (Why.EXCLUDED, OrderKind.EXCLUDE, "anna excluded the device at {at}: it is a demo"),
        (
            Why.CANCELED_FOR_DEVICE,
            OrderKind.CANCEL,
            "anna cancelled 'deployment-w1' for this device at {at}.",
        ),
    ],
)
def test_what_an_operator_has_ordered(why: Why, kind: OrderKind, message: str) -> None:
    order = Order(kind, "w1", at_second(3), by="anna", reason="it is a demo")

    told = word(why, record=replace(STARTED, orders=(order,)))
    untold = word(why)

    assert told is not None
    assert untold is not None
    assert told.message == message.format(at=at_second(3))
    assert untold.message.startswith("- ")


def test_a_window_that_is_closed() -> None:
    night = Window(cron="0 3 * * *", duration="PT1H", zone="Europe/Berlin")

    told = word(Why.WINDOW_CLOSED, a_phased(windows=(night,)), until=AT_NIGHT)
    never = word(Why.WINDOW_CLOSED, a_phased(windows=(night,)), until=NEVER)

    assert told is not None
    assert never is not None
    assert (told.message, told.until) == (
        f"The window is closed; it opens at {AT_NIGHT}, 2024-05-02 03:00+02:00 in Europe/Berlin "
        "(from the window).",
        AT_NIGHT,
    )
    assert (never.code, never.until) == ("WindowNeverOpens", "")
    assert told.data["deployment"] == never.data["deployment"] == "deployment-w1"


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ({}, "05:00+04:00 in Asia/Dubai (from the fallback zone)."),
        (
            {"information.timeZone": (1, "Asia/Tokyo")},
            "10:00+09:00 in Asia/Tokyo (from its report).",
        ),
        (
            {
                "information.timeZone": (1, "Asia/Tokyo"),
                "tags.timeZone": (1, "America/New_York"),
            },
            "21:00-04:00 in America/New_York (from its tag).",
        ),
        ({"tags.timeZone": (1, "Mars/Olympus")}, "in Asia/Dubai (from the fallback zone)."),
    ],
)
def test_where_the_zone_of_a_closed_window_comes_from(
    registers: dict[str, tuple[int, str]], said: str
) -> None:
    night = Window(cron="0 3 * * *", duration="PT1H", zone="device", fallback_zone="Asia/Dubai")
    record = replace(STARTED, registers={**STARTED.registers, **registers})

    told = word(Why.WINDOW_CLOSED, a_phased(windows=(night,)), until=AT_NIGHT, record=record)

    assert told is not None
    assert told.message.endswith(said)


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({}, f"{at_second(1)} (its connection is not known)"),
        ({"heard_at": ""}, "- (its connection is not known)"),
        ({"connection_sequence": "1", "is_connected": True}, f"{at_second(1)} (it is connected)"),
        (
            {"connection_sequence": "1", "is_connected": False, "connection_at": at_second(40)},
            f"{at_second(1)} (it is disconnected since {at_second(40)})",
        ),
        (
            {"connection_sequence": "1", "is_connected": False, "connection_at": ""},
            f"{at_second(1)} (it is disconnected since long)",
        ),
    ],
)
def test_a_device_that_was_asked_and_has_not_answered(changes: dict[str, Any], heard: str) -> None:
    told = word(Why.ASKED, record=a_device(**{"heard_at": at_second(1), **changes}))
    unasked = word(Why.ASKED, record=a_device(asked=None))

    assert told is not None
    assert unasked is not None
    assert told.message == (
        f"It was asked at {ASKED.stamp} and has not answered; it was last heard at {heard}."
    )
    assert unasked.message.startswith("It was asked at - and")


def test_a_device_that_is_silent_or_from_which_the_command_was_taken() -> None:
    silent = word(Why.SILENT, a_phased(deadlines=Deadlines(start="PT5H")))
    plain = word(Why.SILENT)
    taken = word(Why.WITHDRAWN, record=a_device(asked=withdrawn(ASKED)))
    unknown = word(Why.WITHDRAWN)

    assert silent is not None
    assert plain is not None
    assert taken is not None
    assert unknown is not None
    assert silent.message.startswith("It was not heard for PT5H after it was asked;")
    assert plain.message.startswith("It was not heard for - after")
    assert taken.message.startswith(f"The command was taken back at {NOW};")
    assert unknown.message.startswith("The command was taken back at -;")


def test_a_device_that_works_or_is_stuck() -> None:
    device = a_device(busy())
    deployment = a_phased(deadlines=Deadlines(start="PT5H", progress="PT80S"))

    told = [
        word(Why.IN_PROGRESS, deployment, device, now=now)
        for now in (at_second(99), at_second(100))
    ]

    assert [each and (each.code, each.message) for each in told] == [
        ("InProgress", f"It works on it; its last report is of {at_second(20)}."),
        ("Stuck", f"It has begun and reports no more since {at_second(20)}."),
    ]
    plain = word(Why.IN_PROGRESS, PLAIN, device, now="2030-01-01T00:00:00.000000+00:00")
    assert plain is not None
    assert plain.code == "InProgress"
    unknown = word(Why.IN_PROGRESS, deployment, STARTED)
    assert unknown is not None
    assert unknown.message.endswith("its last report is of -.")


def test_a_device_that_has_failed_says_why_and_what_to_do() -> None:
    asked = replace(ASKED, refusal="The hub refused it.")

    told = word(Why.FAILED, record=a_device(failed(erc=0x80300001)))
    refused = word(Why.FAILED, record=a_device(asked=asked))
    unasked = word(Why.FAILED, record=a_device(asked=None))

    assert told is not None
    assert refused is not None
    assert unasked is not None
    assert told.message.startswith(f"It failed at {at_second(20)} with 80300001: ")
    assert set(told.data) == {"at", "failure", "meaning", "next"}
    assert told.message.endswith(f"{told.data['meaning']} {told.data['next']}")
    assert refused.data["meaning"].endswith("The hub refused it.")
    assert unasked.data["failure"] == "00000000"
    assert "at" not in unasked.data


def test_a_device_that_gave_up_or_has_to_stop_something() -> None:
    device = a_device(busy(), asked=replace(ASKED, update_id=V1))

    gave_up = word(Why.CANCELED_BY_DEVICE, record=device)
    unknown = word(Why.CANCELED_BY_DEVICE)
    others = [
        word(why, record=device, until=AT_NIGHT)
        for why in (Why.CANCELING, Why.WORKS_ON_ANOTHER, Why.AGENT_HOLDS_FAILED_UPDATE)
    ]
    nothing = word(Why.WORKS_ON_ANOTHER)

    assert gave_up is not None
    assert unknown is not None
    assert nothing is not None
    assert gave_up.message == f"The device gave up the command at {at_second(20)}."
    assert unknown.message == "The device gave up the command at -."
    assert [(each.code, each.data, each.until) for each in others if each] == [
        (code, {"other": str(V1)}, AT_NIGHT)
        for code in ("Canceling", "WorksOnAnother", "HoldsFailedUpdate")
    ]
    assert nothing.message == "It works on '-', which is stopped first."
