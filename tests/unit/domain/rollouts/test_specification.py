"""A roll-out as the API has it: defaults, one form, and every broken rule named with its place."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.rollouts.durations import duration, duration_text
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.request import checked
from shared.domain.rollouts.specification import Rollout

LINK_LIFE = timedelta(hours=144)


def a_rollout(**members: object) -> Rollout:
    document = {"phases": [{"select": {"percent": 1}}, {"select": {"percent": 100}}], **members}
    return msgspec.convert(document, Rollout)


def errors_of(rollout: Rollout, *, has_rollback: bool = False) -> list[tuple[str, str | None]]:
    with pytest.raises(InvalidInput) as raised:
        checked(rollout, link_life=LINK_LIFE, has_rollback=has_rollback)
    return [(error.code, error.target) for error in raised.value.details]


def test_what_is_left_out_has_the_documented_default() -> None:
    rollout = a_rollout()

    gate = rollout.phases[0].gate
    assert (gate.success_percent, gate.minimum_sample, gate.answered_percent) == (95, 10, 50)
    assert (gate.bake, gate.advance, gate.longest_wait) == (timedelta(), "Auto", None)
    assert rollout.phases[0].if_empty == "Pause"
    failure = rollout.failure
    assert (failure.percent, failure.minimum_sample, failure.count) == (5, 100, None)
    assert failure.action == "Pause"
    assert rollout.deadlines.until_silent == timedelta(days=3)
    assert rollout.deadlines.until_stuck == timedelta(days=1)
    assert rollout.deadlines.count_as_failure
    assert not rollout.deadlines.cancel_stuck
    assert (rollout.priority, rollout.approval, rollout.on_close) == (500, "None", "Withdraw")


def test_a_stored_roll_out_is_what_was_given() -> None:
    document = {
        "phases": [
            {
                "name": "canary",
                "select": {"count": 5},
                "gate": {"successPercent": 100.0, "bakeTime": "P1D", "advance": "Manual"},
            },
            {"select": {"percent": 12.5}},
            {"select": {"classId": "a1"}, "ifEmpty": "Continue"},
        ],
        "maximumInFlight": 500,
        "rate": {"perMinute": 30},
        "windows": [{"cron": "0 1 * * mon-fri", "duration": "PT4H", "zone": "device"}],
        "approval": "Required",
    }
    stored = msgspec.json.encode(msgspec.convert(document, Rollout))

    assert msgspec.json.decode(stored) == document
    assert msgspec.json.decode(stored, type=Rollout) == msgspec.convert(document, Rollout)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"phases": []}, "$.phases"),
        ({"phases": [{"select": {"percent": 0}}]}, "$.phases[0].select.percent"),
        ({"phases": [{"select": {"precent": 1}}]}, "$.phases[0].select"),
        ({"phases": [{"select": {"percent": 1}}], "blackouts": []}, "Rollout"),
        ({"phases": [{"select": {"percent": 1}, "gate": {"bakeTime": "12h"}}]}, "bakeTime"),
        ({"phases": [{"select": {"percent": 1}, "gate": {"bakeTime": "P1M"}}]}, "bakeTime"),
        ({"phases": [{"select": {"percent": 1}}], "failure": {"action": "Stop"}}, "$.failure"),
    ],
)
def test_a_single_bad_value_is_refused_where_it_stands(
    document: dict[str, object], place: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(document, Rollout)

    assert place in str(raised.value) or place == "Rollout"


@pytest.mark.parametrize(
    ("members", "code", "target"),
    [
        ({"phases": [{"select": {}}]}, "PhaseSelection", "/phases/0/select"),
        (
            {"phases": [{"select": {"percent": 1, "count": 2}}]},
            "PhaseSelection",
            "/phases/0/select",
        ),
        (
            {"phases": [{"select": {"percent": 5}}, {"select": {"percent": 5}}]},
            "PercentNotRising",
            "/phases/1/select/percent",
        ),
        (
            {"phases": [{"select": {"percent": 0.125}}]},
            "PercentTooFine",
            "/phases/0/select/percent",
        ),
        (
            {
                "phases": [
                    {"name": "a", "select": {"percent": 5}},
                    {"name": "a", "select": {"percent": 6}},
                ]
            },
            "PhaseNameTaken",
            "/phases/1/name",
        ),
        (
            {
                "phases": [
                    {"select": {"percent": 5}, "gate": {"bakeTime": "PT2H", "maximumWait": "PT2H"}}
                ]
            },
            "WaitTooShort",
            "/phases/0/gate/maximumWait",
        ),
        ({"deadlines": {"start": "P6D"}}, "DeadlineOutOfRange", "/deadlines/start"),
        ({"deadlines": {"progress": "PT1M"}}, "DeadlineOutOfRange", "/deadlines/progress"),
        ({"failure": {"action": "Rollback"}}, "RollbackPolicyMissing", "/failure/action"),
        ({"endDateTime": "tomorrow"}, "InvalidInstant", "/endDateTime"),
        (
            {"windows": [{"cron": "0 25 * * *", "duration": "PT1H"}]},
            "InvalidCron",
            "/windows/0/cron",
        ),
    ],
)
def test_a_broken_rule_has_a_code_and_a_pointer(
    members: dict[str, object], code: str, target: str
) -> None:
    assert errors_of(a_rollout(**members)) == [(code, "/rollout" + target)]


def test_all_broken_rules_are_told_at_once() -> None:
    rollout = a_rollout(
        phases=[{"select": {"percent": 5}}, {"select": {"percent": 4}}],
        deadlines={"start": "PT1S"},
        failure={"action": "Rollback"},
    )

    assert [code for code, _ in errors_of(rollout)] == [
        "PercentNotRising",
        "DeadlineOutOfRange",
        "RollbackPolicyMissing",
    ]


def test_equal_roll_outs_have_one_form() -> None:
    one = a_rollout(
        phases=[{"select": {"percent": 1}, "gate": {"bakeTime": "PT720M"}}],
        endDateTime="2027-01-01T01:00:00+01:00",
        deadlines={"start": "P1D"},
    )
    other = a_rollout(
        phases=[{"select": {"percent": 1.0}, "gate": {"bakeTime": "PT12H"}}],
        endDateTime="2027-01-01T00:00:00Z",
        deadlines={"start": "PT24H"},
    )

    def form(rollout: Rollout) -> Rollout:
        return checked(rollout, link_life=LINK_LIFE, has_rollback=False)

    assert form(one) == form(other)
    assert form(form(one)) == form(one)


@given(st.integers(0, 10**8))
def test_a_duration_is_read_back_as_it_was_written(seconds: int) -> None:
    span = timedelta(seconds=seconds)

    assert duration(duration_text(span)) == span


def test_a_missing_approval_is_shown_instead_of_what_would_go_on() -> None:
    assert Progress(status=Status.RUNNING, unapproved_since=3).shown is Status.AWAITING_APPROVAL
    assert Progress(status=Status.PAUSED, unapproved_since=3).shown is Status.PAUSED
    assert not Progress(status=Status.RUNNING, unapproved_since=3).may_ask
    assert Progress(status=Status.RUNNING).may_ask
