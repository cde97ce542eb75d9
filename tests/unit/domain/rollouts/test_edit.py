"""A PUT on a deployment that exists: scenarios 13 and 14 of the roll-outs, and the edit table."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Conflict
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.deployment_edit import Actor, edit
from shared.domain.rollouts.edit import widens
from shared.domain.rollouts.progress import Reason, ReasonCode, Status
from shared.domain.rollouts.specification import Rollout
from tests.builders.edit import MADE, NOW, PHASES, a_phased, a_rollout, asked, progress_of
from tests.unit.domain.builders import V1, V2, a_deployment

LATER = "2026-12-03T08:00:00.000000+00:00"
ANNA, BEN = Actor("anna", NOW), Actor("ben", NOW)


def edited(item: Deployment, actor: Actor = ANNA, **changes: Any) -> Deployment:
    result = edit(item, asked(item, **changes), actor)
    assert result is not None
    changed, transition = result
    assert (transition.actor, transition.revision) == (actor.object_id, changed.revision)
    return changed


def test_a_put_without_rollout_changes_nothing_of_a_running_roll_out() -> None:
    item = a_phased()

    assert edit(item, asked(item), ANNA) is None


def test_an_equal_put_is_no_new_revision() -> None:
    item = a_phased(rollout=a_rollout(windows=[{"cron": "0 1 * * *", "duration": "PT1H"}]))

    assert edit(item, asked(item, rollout=item.rollout), ANNA) is None
    with_seed = msgspec.structs.replace(item.rollout, seed=item.workflow_id)
    assert edit(item, asked(item, rollout=with_seed), ANNA) is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"update_id": V1}, "/update/updateId"),
        ({"starts_at": LATER}, "/startDateTime"),
        ({"rollout": a_rollout(seed="other")}, "/rollout/seed"),
        ({"rollout": a_rollout(phases=PHASES[:1])}, "/rollout/phases"),
        (
            {"rollout": a_rollout(phases=[{"select": {"count": 6}}, *PHASES[1:]])},
            "/rollout/phases/0/select",
        ),
        (
            {"rollout": a_rollout(phases=[PHASES[0], {"select": {"percent": 5}}, PHASES[2]])},
            "/rollout/phases/1/select",
        ),
    ],
)
def test_what_has_begun_cannot_change(changes: dict[str, Any], pointer: str) -> None:
    item = a_phased()

    with pytest.raises(Conflict) as raised:
        edit(item, asked(item, **changes), ANNA)

    assert (raised.value.code, raised.value.target) == ("Immutable", pointer)


@pytest.mark.parametrize(
    "members",
    [
        {"phases": [*PHASES[:2], {"select": {"percent": 50}}]},
        {"phases": [PHASES[0], {**PHASES[1], "gate": {"successPercent": 80}}, PHASES[2]]},
        {"failure": {"percent": 1}},
        {"maximumInFlight": 7},
        {"rate": {"perMinute": 3}},
        {"deadlines": {"start": "P1D"}},
        {"windows": [{"cron": "0 1 * * *", "duration": "PT1H"}]},
        {"priority": 600},
        {"endDateTime": "2027-03-01T00:00:00Z"},
        {"approval": "Required"},
    ],
)
def test_the_rest_can_change_at_any_time(members: dict[str, Any]) -> None:
    item = a_phased()

    changed = edited(item, rollout=a_rollout(**members))

    assert changed.rollout == a_rollout(**members)
    assert (changed.revision, changed.is_fanned_out) == (2, False)
    assert progress_of(changed).opened == progress_of(item).opened


def test_the_rollback_policy_can_change_and_an_absent_one_stays() -> None:
    item = a_phased()
    policy = RollbackPolicy(V1, 20, 10)

    changed = edited(item, rollback_policy=policy)

    assert changed.rollback_policy == policy
    assert edit(changed, asked(changed), ANNA) is None


def test_the_start_can_change_until_it_has_come() -> None:
    item = replace(a_phased(opened=0, status=Status.SCHEDULED), starts_at=LATER)

    assert edited(item, starts_at=NOW).starts_at == NOW


def test_phases_can_be_given_until_the_start_and_not_after() -> None:
    plain = replace(a_deployment("w1"), update_id=V2, starts_at=LATER)

    assert progress_of(edited(plain, rollout=a_rollout())).status is Status.SCHEDULED
    with pytest.raises(Conflict) as raised:
        edit(
            replace(plain, starts_at=MADE), asked(plain, starts_at=MADE, rollout=a_rollout()), ANNA
        )
    assert (raised.value.code, raised.value.target) == ("Immutable", "/rollout")


def test_a_completed_roll_out_goes_on_when_phases_are_added() -> None:
    short = a_rollout(phases=PHASES[:2])
    item = a_phased(opened=2, rollout=short, status=Status.COMPLETED)

    assert progress_of(edited(item, rollout=a_rollout())).status is Status.RUNNING


@pytest.mark.parametrize("status", [Status.ABORTED, Status.ENDED, Status.ROLLED_BACK])
def test_an_ended_roll_out_cannot_change(status: Status) -> None:
    item = a_phased(status=status)

    with pytest.raises(Conflict) as raised:
        edit(item, asked(item, rollout=a_rollout(priority=1)), ANNA)

    assert raised.value.code == "RolloutEnded"


def test_a_recalled_deployment_cannot_change() -> None:
    item = replace(a_phased(), recall_reason="bricks toasters")

    with pytest.raises(Conflict) as raised:
        edit(item, asked(item, rollout=a_rollout(priority=1)), ANNA)

    assert raised.value.code == "UpdateRecalled"


def test_a_widening_edit_of_an_approved_roll_out_holds_until_it_is_approved() -> None:
    item = a_phased(rollout=a_rollout(approval="Required"), editors=())

    changed = edited(
        item, BEN, rollout=a_rollout(approval="Required", maximumInFlight=None, priority=900)
    )

    progress = progress_of(changed)
    assert progress.shown is Status.AWAITING_APPROVAL
    assert (progress.editors, progress.unapproved_since) == (("ben",), changed.revision)
    assert progress.reason is not None
    assert progress.reason.code is ReasonCode.EDIT_NEEDS_APPROVAL
    assert not progress.may_ask


def test_a_narrowing_edit_of_an_approved_roll_out_goes_on() -> None:
    item = a_phased(rollout=a_rollout(approval="Required"))

    changed = edited(item, BEN, rollout=a_rollout(approval="Required", maximumInFlight=5))

    assert progress_of(changed).may_ask


def test_dropping_the_approval_needs_one() -> None:
    item = a_phased(rollout=a_rollout(approval="Required"))

    assert not progress_of(edited(item, rollout=a_rollout())).may_ask


def test_an_edit_does_not_hide_why_a_roll_out_is_paused() -> None:
    why = Reason(code=ReasonCode.FAILURE_PERCENT, message="7 of 120")
    item = a_phased(rollout=a_rollout(approval="Required"), status=Status.PAUSED, reason=why)

    changed = edited(item, rollout=a_rollout(approval="Required", priority=900))

    assert progress_of(changed).reason == why
    assert progress_of(changed).shown is Status.PAUSED


def test_an_edit_of_a_rejected_roll_out_asks_for_approval_again() -> None:
    item = a_phased(
        opened=0, rollout=a_rollout(approval="Required"), status=Status.REJECTED, was_approved=False
    )

    changed = edited(item, rollout=a_rollout(approval="Required", maximumInFlight=5))

    assert progress_of(changed).shown is Status.AWAITING_APPROVAL


_MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "maximumInFlight": st.integers(1, 3),
        "rate": st.builds(lambda count: {"perMinute": count}, st.integers(1, 3)),
        "priority": st.integers(498, 502),
        "failure": st.builds(
            lambda percent, count: {"percent": percent, "count": count},
            st.integers(1, 3),
            st.integers(1, 3) | st.none(),
        ),
        "phases": st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True).map(
            lambda percents: [{"select": {"percent": percent}} for percent in sorted(percents)]
        ),
        "approval": st.sampled_from(["None", "Required"]),
        "endDateTime": st.sampled_from(["2027", "2028"]),
    },
)
_ROLLOUTS = _MEMBERS.map(lambda members: a_rollout(**members))


@given(_ROLLOUTS)
def test_no_change_widens_nothing(rollout: Rollout) -> None:
    assert not widens(rollout, rollout)


@given(_ROLLOUTS, _ROLLOUTS)
def test_there_and_back_cannot_both_narrow(one: Rollout, other: Rollout) -> None:
    assert one == other or widens(one, other) or widens(other, one)


@given(_ROLLOUTS, _ROLLOUTS, _ROLLOUTS)
def test_narrowing_twice_is_narrowing(one: Rollout, other: Rollout, third: Rollout) -> None:
    if not widens(one, other) and not widens(other, third):
        assert not widens(one, third)
