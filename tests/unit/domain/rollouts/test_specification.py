"""A roll-out as the API has it: defaults, one form, and every broken rule named with its place."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.rollouts.durations import duration, duration_text
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.request import checked, windows_in_one_form
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


def gate(**members: object) -> dict[str, object]:
    return {"phases": [{"select": {"percent": 5}, "gate": members}]}


@pytest.mark.parametrize(
    ("allowed", "refused", "code", "target"),
    [
        (
            gate(bakeTime="P365D"),
            gate(bakeTime="P365DT1S"),
            "DurationOutOfRange",
            "/phases/0/gate/bakeTime",
        ),
        (
            gate(maximumWait="P365D"),
            gate(maximumWait="P365DT1S"),
            "DurationOutOfRange",
            "/phases/0/gate/maximumWait",
        ),
        (
            gate(bakeTime="PT2H", maximumWait="PT2H1S"),
            gate(bakeTime="PT2H", maximumWait="PT1H"),
            "WaitTooShort",
            "/phases/0/gate/maximumWait",
        ),
        # 90 % of the life of a link
        (
            {"deadlines": {"start": "PT129H36M"}},
            {"deadlines": {"start": "PT129H36M1S"}},
            "DeadlineOutOfRange",
            "/deadlines/start",
        ),
        (
            {"deadlines": {"start": "PT5M"}},
            {"deadlines": {"start": "PT4M59S"}},
            "DeadlineOutOfRange",
            "/deadlines/start",
        ),
        (
            {"deadlines": {"progress": "P90D"}},
            {"deadlines": {"progress": "P90DT1S"}},
            "DeadlineOutOfRange",
            "/deadlines/progress",
        ),
        (
            {"phases": [{"select": {"percent": 0.01}}, {"select": {"percent": 0.02}}]},
            {"phases": [{"select": {"percent": 0.01}}, {"select": {"percent": 0.01}}]},
            "PercentNotRising",
            "/phases/1/select/percent",
        ),
        (
            {"phases": [{"select": {"percent": 33.33}}, {"select": {"percent": 100}}]},
            {"phases": [{"select": {"percent": 33.333}}, {"select": {"percent": 100}}]},
            "PercentTooFine",
            "/phases/0/select/percent",
        ),
        (
            {"phases": [{"name": "a", "select": {"percent": 5}}, {"select": {"percent": 6}}]},
            {
                "phases": [
                    {"name": "a", "select": {"percent": 5}},
                    {"select": {"percent": 6}},
                    {"name": "a", "select": {"percent": 7}},
                ]
            },
            "PhaseNameTaken",
            "/phases/2/name",
        ),
    ],
)
def test_a_bound_is_refused_just_beyond(
    allowed: dict[str, object], refused: dict[str, object], code: str, target: str
) -> None:
    assert checked(a_rollout(**allowed), link_life=LINK_LIFE, has_rollback=False)
    assert errors_of(a_rollout(**refused)) == [(code, "/rollout" + target)]


def test_percentages_rise_over_phases_of_other_kinds() -> None:
    selects: list[dict[str, object]] = [{"percent": 10}, {"count": 5}, {"percent": 10}]
    rollout = a_rollout(phases=[{"select": select} for select in selects])

    assert errors_of(rollout) == [("PercentNotRising", "/rollout/phases/2/select/percent")]


def test_phases_without_a_name_do_not_share_one() -> None:
    selects: list[dict[str, object]] = [{"count": 1}, {"count": 2}, {"classId": "a"}]
    rollout = a_rollout(phases=[{"select": select} for select in selects])

    assert checked(rollout, link_life=LINK_LIFE, has_rollback=False) == rollout


def test_a_roll_out_may_roll_back_where_a_policy_says_to_what() -> None:
    rollout = a_rollout(failure={"action": "Rollback"})

    assert checked(rollout, link_life=LINK_LIFE, has_rollback=True) == rollout


def test_the_first_broken_rule_speaks_for_all() -> None:
    rollout = a_rollout(deadlines={"start": "PT1S", "progress": "PT1S"})

    with pytest.raises(InvalidInput) as raised:
        checked(rollout, link_life=LINK_LIFE, has_rollback=False, place="/there")

    first, second = raised.value.details
    assert (raised.value.message, raised.value.code, raised.value.target) == (
        first.message,
        "DeadlineOutOfRange",
        "/there/deadlines/start",
    )
    assert first.message == "'start' must be between PT5M and P5DT9H36M."
    assert second.message == "'progress' must be between PT5M and P90D."


def test_one_form_holds_for_every_part() -> None:
    given = a_rollout(
        phases=[
            {
                "name": "canary",
                "select": {"percent": 1},
                "gate": {"bakeTime": "PT60M", "maximumWait": "PT24H", "advance": "Manual"},
            }
        ],
        deadlines={"start": "PT48H", "progress": "PT24H", "cancelStuck": True},
        windows=[{"cron": " 0  1 * * * ", "duration": "PT60M", "zone": "device"}],
        endDateTime="2027-01-01T01:00:00+01:00",
        priority=7,
    )

    assert checked(given, link_life=LINK_LIFE, has_rollback=False) == a_rollout(
        phases=[
            {
                "name": "canary",
                "select": {"percent": 1},
                "gate": {"bakeTime": "PT1H", "maximumWait": "P1D", "advance": "Manual"},
            }
        ],
        deadlines={"start": "P2D", "progress": "P1D", "cancelStuck": True},
        windows=[{"cron": "0 1 * * *", "duration": "PT1H", "zone": "device"}],
        endDateTime="2027-01-01T00:00:00.000000+00:00",
        priority=7,
    )


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("P2W", timedelta(weeks=2)),
        ("P1W2DT3H4M5S", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("PT0S", timedelta()),
        ("PT90S", timedelta(seconds=90)),
    ],
)
def test_a_duration_has_weeks_to_seconds(text: str, span: timedelta) -> None:
    assert duration(text) == span


@pytest.mark.parametrize("text", ["P", "PT", "P1DT", "1D", "P-1D", "P1M", "P1.5D", "PT1H "])
def test_what_is_no_duration_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^'bakeTime' must be a duration") as raised:
        duration(text, "/phases/0/bakeTime")

    assert raised.value.target == "/phases/0/bakeTime"


def test_a_duration_of_no_place_is_called_a_value() -> None:
    with pytest.raises(InvalidInput, match=r"^'value' must be"):
        duration("soon")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(), "PT0S"),
        (timedelta(days=2), "P2D"),
        (timedelta(days=1, seconds=1), "P1DT1S"),
        (timedelta(hours=25, minutes=61), "P1DT2H1M"),
    ],
)
def test_a_duration_is_written_in_its_shortest_text(span: timedelta, text: str) -> None:
    assert duration_text(span) == text


def test_an_end_that_is_no_instant_is_named() -> None:
    with pytest.raises(InvalidInput, match="'endDateTime'"):
        checked(a_rollout(endDateTime="tomorrow"), link_life=LINK_LIFE, has_rollback=False)


def test_windows_alone_are_refused_where_they_stand() -> None:
    broken = a_rollout(windows=[{"cron": "0 25 * * *", "duration": "PT1H"}]).windows

    with pytest.raises(InvalidInput) as raised:
        windows_in_one_form(broken)

    assert raised.value.target == "/windows/0/cron"
