"""What operators do to a roll-out: each action, twice, and where it is refused."""

from dataclasses import replace

import pytest

from shared.domain.errors import Conflict, DeviceUpdateError, Forbidden, PreconditionFailed
from shared.domain.fleet import rollout_controls as controls
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor, edit
from shared.domain.rollouts.progress import Baseline, Hold, Reason, ReasonCode, Status
from shared.domain.rollouts.transition import Step, Transition
from tests.builders.edit import NOW, a_phased, a_rollout, asked, progress_of
from tests.unit.domain.builders import a_deployment

ANNA, BEN, CLEO = Actor("anna", NOW), Actor("ben", NOW), Actor("cleo", NOW)
SEEN = {"": Baseline(ok=10, bad=3, phase_ok=10, phase_bad=3)}


def done(result: controls.Controlled) -> tuple[Deployment, Transition]:
    assert result is not None
    changed, transition = result
    assert transition.revision == changed.revision
    assert not changed.is_fanned_out
    return changed, transition


def awaiting_approval() -> Deployment:
    return a_phased(
        opened=0,
        rollout=a_rollout(approval="Required"),
        status=Status.SCHEDULED,
        unapproved_since=1,
        was_approved=False,
    )


def test_a_pause_asks_nobody_new_and_a_second_one_changes_nothing() -> None:
    changed, transition = done(controls.pause(a_phased(), BEN, "looks odd"))

    progress = progress_of(changed)
    assert (progress.status, progress.hold, progress.since) == (Status.PAUSED, Hold.ASKS, NOW)
    assert not progress.may_ask
    assert (transition.step, transition.actor, transition.message) == (
        Step.PAUSED,
        "ben",
        "looks odd",
    )
    assert (transition.before, transition.after) == (Status.RUNNING, Status.PAUSED)
    assert controls.pause(changed, BEN, "again") is None


def test_a_pause_can_withdraw_later() -> None:
    paused, _ = done(controls.pause(a_phased(), BEN, "odd"))

    changed, _ = done(controls.pause(paused, BEN, "worse", withdraw=True))

    assert progress_of(changed).hold is Hold.WITHDRAW
    assert controls.pause(changed, BEN, "") is None


def test_a_resume_forgives_what_was_seen() -> None:
    paused, _ = done(controls.pause(a_phased(), BEN, "odd"))

    changed, transition = done(controls.resume(paused, BEN, SEEN, revision=2))

    progress = progress_of(changed)
    assert (progress.status, progress.hold, progress.reason) == (Status.RUNNING, Hold.NONE, None)
    assert progress.baselines == SEEN
    assert transition.step is Step.RESUMED
    assert controls.resume(changed, BEN, SEEN, revision=2) is None


def test_a_resume_of_a_roll_out_that_has_not_started_waits_for_its_start() -> None:
    paused, _ = done(controls.pause(a_phased(opened=0, status=Status.SCHEDULED), BEN, "odd"))

    changed, _ = done(controls.resume(paused, BEN, {}))

    assert progress_of(changed).status is Status.SCHEDULED


def test_a_resume_of_another_revision_is_refused() -> None:
    paused, _ = done(controls.pause(a_phased(), BEN, "odd"))

    with pytest.raises(PreconditionFailed):
        controls.resume(paused, BEN, SEEN, revision=1)


def test_an_advance_opens_the_named_phase_once() -> None:
    item = a_phased(opened=1, status=Status.AWAITING_ADVANCE, baselines=SEEN)

    changed, transition = done(controls.advance(item, BEN, 1, {}))

    progress = progress_of(changed)
    assert (progress.phase, progress.status) == (1, Status.RUNNING)
    assert (progress.opened[0].passed_at, progress.opened[1].at) == (NOW, NOW)
    assert progress.baselines == {"": Baseline(ok=10, bad=3)}
    assert (transition.step, transition.phase) == (Step.PHASE_OPENED, 1)
    assert controls.advance(changed, BEN, 1, {}) is None


@pytest.mark.parametrize(
    ("item", "phase", "code"),
    [
        (a_phased(opened=1), 2, "PhaseNotNext"),
        (a_phased(opened=3), 3, "NoSuchPhase"),
        (a_phased(opened=0, status=Status.SCHEDULED), 0, "NotStarted"),
        (a_phased(opened=1, status=Status.PAUSED), 1, "RolloutPaused"),
        (a_phased(opened=1, unapproved_since=4), 1, "AwaitingApproval"),
        (a_phased(opened=1, status=Status.ABORTED), 2, "RolloutEnded"),
    ],
)
def test_an_advance_is_refused_with_its_reason(item: Deployment, phase: int, code: str) -> None:
    with pytest.raises(Conflict) as raised:
        controls.advance(item, BEN, phase, {})

    assert raised.value.code == code


def test_an_advance_goes_on_from_a_gate_that_was_missed() -> None:
    why = Reason(code=ReasonCode.GATE_MISSED, message="9 of 10")
    item = a_phased(opened=1, status=Status.PAUSED, reason=why, hold=Hold.ASKS)

    changed, _ = done(controls.advance(item, BEN, 1, SEEN))

    progress = progress_of(changed)
    assert (progress.status, progress.hold, progress.reason) == (Status.RUNNING, Hold.NONE, None)
    assert progress.baselines == SEEN


def test_an_abort_is_final() -> None:
    changed, transition = done(controls.abort(a_phased(), BEN, "bricks toasters"))

    assert progress_of(changed).status is Status.ABORTED
    assert progress_of(changed).hold is Hold.WITHDRAW
    assert transition.message == "bricks toasters"
    assert controls.abort(changed, BEN, "") is None
    for action in (
        lambda: controls.pause(changed, BEN, ""),
        lambda: controls.resume(changed, BEN, {}),
        lambda: controls.approve(changed, BEN, 2),
    ):
        with pytest.raises(Conflict) as raised:
            action()
        assert raised.value.code == "RolloutEnded"


def test_the_last_editor_cannot_approve() -> None:
    with pytest.raises(Forbidden) as raised:
        controls.approve(awaiting_approval(), ANNA, 1)

    assert raised.value.code == "ApproverIsEditor"


def test_an_approval_of_another_revision_is_refused() -> None:
    item = replace(awaiting_approval(), revision=4)

    with pytest.raises(PreconditionFailed):
        controls.approve(item, BEN, 3)


def test_an_approval_by_somebody_else_lets_it_start() -> None:
    changed, transition = done(controls.approve(awaiting_approval(), BEN, 1, "fine"))

    progress = progress_of(changed)
    assert (progress.shown, progress.was_approved) == (Status.SCHEDULED, True)
    assert (transition.actor, transition.message) == ("ben", "fine")
    assert controls.approve(changed, CLEO, 1) is None


def test_a_widening_edit_after_the_approval_is_held_and_its_editor_cannot_approve_it() -> None:
    approved, _ = done(controls.approve(awaiting_approval(), BEN, 1))
    wider = asked(approved, rollout=a_rollout(approval="Required", priority=900))
    result = edit(approved, wider, BEN)
    assert result is not None
    changed, _ = result

    assert progress_of(changed).shown is Status.AWAITING_APPROVAL
    with pytest.raises(Forbidden):
        controls.approve(changed, BEN, changed.revision)
    approved, _ = done(controls.approve(changed, ANNA, changed.revision))
    assert progress_of(approved).reason is None


def test_a_rejected_roll_out_asks_nobody() -> None:
    changed, transition = done(controls.reject(awaiting_approval(), ANNA, 1, "not before Monday"))

    assert progress_of(changed).status is Status.REJECTED
    assert transition.message == "not before Monday"
    assert controls.reject(changed, BEN, 1) is None
    with pytest.raises(Conflict) as raised:
        controls.reject(a_phased(), BEN, 1)
    assert raised.value.code == "NothingToApprove"


def test_a_rejected_edit_pauses_a_roll_out_that_has_begun() -> None:
    item = a_phased(unapproved_since=1)

    changed, _ = done(controls.reject(item, BEN, 1, "too fast"))

    progress = progress_of(changed)
    assert (progress.status, progress.hold) == (Status.PAUSED, Hold.ASKS)
    assert progress.opened == progress_of(item).opened
    assert controls.reject(changed, BEN, 2) is None


@pytest.mark.parametrize("name", ["pause", "resume", "abort", "approve"])
def test_a_deployment_without_phases_has_no_controls(name: str) -> None:
    plain = a_deployment("w1")
    calls = {
        "pause": lambda: controls.pause(plain, BEN, ""),
        "resume": lambda: controls.resume(plain, BEN, {}),
        "abort": lambda: controls.abort(plain, BEN, ""),
        "approve": lambda: controls.approve(plain, BEN, 1),
    }

    with pytest.raises(DeviceUpdateError) as raised:
        calls[name]()

    assert raised.value.code == "NoRollout"


def test_a_recalled_roll_out_can_only_be_deleted() -> None:
    item = replace(a_phased(status=Status.PAUSED), recall_reason="malware")

    with pytest.raises(Conflict) as raised:
        controls.resume(item, BEN, {})

    assert raised.value.code == "UpdateRecalled"
