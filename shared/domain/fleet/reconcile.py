"""What a device's twin should ask for, from its group, its class and the deployments in force.

Level-triggered: the answer follows from the present state alone, so that lost, doubled or late
triggers cannot make a wrong one last. `explain` runs the same function with a recorder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.contract.codes import Erc
from shared.domain.fleet.asking import answered_by, is_heard_since_withdrawal
from shared.domain.fleet.asking_time import AskingTime
from shared.domain.fleet.command import DeviceCommand, past_name
from shared.domain.fleet.deployment import Deployment, rollback_for
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    evidence_of,
    is_cancelling,
    is_working,
    view,
)
from shared.domain.fleet.failure import is_download_failure
from shared.domain.fleet.open_agent import holds_old_steps, may_run_again
from shared.domain.fleet.orders import OrderKind, order_of
from shared.domain.fleet.reconcile_decision import Decision, Nobody, Recorder, Why
from shared.domain.fleet.taking_back import LEAVE
from shared.domain.instant import later
from shared.domain.rollouts.figures import LATE, Outcome, slot_minutes
from shared.domain.rollouts.progress import Hold
from shared.domain.rollouts.selection import phase_of

LINK_LIFE = timedelta(hours=130)
"""Links in a command live 144 hours; what is asked again about then needs new ones."""


def by_precedence(deployments: Iterable[Deployment]) -> list[Deployment]:
    """Deployments, greatest precedence first."""
    return sorted(deployments, key=lambda item: item.precedence, reverse=True)


def desired_command(
    record: DeviceRecord,
    deployments: Sequence[Deployment],
    now: str,
    recorder: Recorder | None = None,
    *,
    link_life: timedelta = LINK_LIFE,
    is_recalled: bool = False,
) -> Decision:
    """What to do about a device now.

    The device's own deployments and its group's are looked at by precedence; the first that
    reaches the device and may ask decides. A roll-out that does not reach it yet, or is paused,
    leaves it to the one before.

    Args:
        record: The device.
        deployments: All deployments of its group, as `by_precedence` has them.
        now: ISO 8601, UTC.
        recorder: Is told what was looked at.
        link_life: How long the links of a command work.
        is_recalled: Whether the update was recalled that the device was asked for last.
    """
    seen, recorder = view(record), recorder or Nobody()
    if seen.device_class is None:
        recorder.note(Why.CLASS_HELD_BACK if record.held_class else Why.NO_AGENT, None)
        return LEAVE
    return _Choice(
        record=record,
        seen=seen,
        class_id=seen.device_class.class_id,
        ordered=[*by_precedence(record.own), *deployments],
        now=now,
        recorder=recorder,
        link_life=link_life,
        is_recalled=is_recalled,
    ).decide()


@dataclass(slots=True)
class _Choice(AskingTime):
    """One device before its deployments, greatest precedence first."""

    def decide(self) -> Decision:
        """The answer."""
        found = self._decided()
        if self.is_recalled and found.command is None:
            found = self.recalled()
        if not self.reminders and not self.closings:
            return found
        return replace(
            found,
            remind_at=min(self.reminders, default=""),
            closes_at=min(self.closings, default=""),
        )

    def _decided(self) -> Decision:
        current = self.record.commanded
        for deployment in self.ordered:
            if not self._counts(deployment):
                continue
            ended = self._why_ended(deployment)
            may_ask = ended is None and deployment.may_ask(self.class_id)
            if current is not None and current.workflow_id == deployment.workflow_id:
                if ended is not None and self._has_left(deployment, current):
                    self.recorder.note(ended, deployment)
                    continue
                if may_ask or self.outcome is not Outcome.WITHDRAWN:
                    return self._follow_up(deployment, current, ended)
            elif not self._reaches(deployment, ended):
                continue
            if ended is not None and deployment.rollout is None and not deployment.is_own:
                self.recorder.note(ended, deployment)
                return self.nothing()  # without phases, nobody falls back to an older one
            if not may_ask:
                self.recorder.note(ended or Why.PAUSED, deployment)
                continue
            return self._ask(deployment)
        return self.nothing()

    def _counts(self, deployment: Deployment) -> bool:
        assert self.seen.device_class is not None
        if not deployment.has_started(self.now):
            self.recorder.note(Why.NOT_STARTED, deployment, deployment.starts_at)
            if deployment.is_own:
                self.reminders.append(deployment.starts_at)
            return False
        if not deployment.targets(self.seen.device_class):
            self.recorder.note(Why.NOT_COMPATIBLE, deployment)
            return False
        return True

    def _why_ended(self, deployment: Deployment) -> Why | None:
        """Why the device will not be asked for this any more; None if it may be."""
        assert self.seen.device_class is not None
        orders, workflow_id = self.record.orders, deployment.workflow_id
        if order_of(orders, OrderKind.EXCLUDE, workflow_id) is not None:
            return Why.EXCLUDED
        if order_of(orders, OrderKind.CANCEL, workflow_id) is not None:
            return Why.CANCELED_FOR_DEVICE
        if deployment.is_final:
            return Why.ENDED
        if deployment.subgroup(self.class_id).is_canceled:
            return Why.CANCELED_FOR_CLASS
        if rollback_for(deployment, self.ordered, self.seen.device_class, self.now) is not None:
            return Why.ROLLED_BACK
        return None

    def _reaches(self, deployment: Deployment, ended: Why | None) -> bool:
        if deployment.undoes:
            current = self.record.commanded
            return current is not None and current.workflow_id == deployment.undoes
        if deployment.rollout is None or self._phase(deployment) is not None:
            return True
        if ended is not None:
            self.recorder.note(ended, deployment)
        self.recorder.note(Why.PHASE_NOT_REACHED, deployment)
        return False

    def _phase(self, deployment: Deployment) -> int | None:
        assert deployment.rollout is not None
        return phase_of(
            deployment.rollout.phases,
            deployment.seed,
            self.record.device_id,
            self.class_id,
            deployment.progress.phase if deployment.progress else -1,
        )

    def _has_left(self, deployment: Deployment, current: DeviceCommand) -> bool:
        """Whether a deployment of the device's own was taken back: then those of its group count
        again.
        """
        return deployment.is_own and current.is_cancel and not is_cancelling(self.record)

    # what becomes of a device that runs what decides

    def _follow_up(
        self, deployment: Deployment, current: DeviceCommand, ended: Why | None
    ) -> Decision:
        if ended is not None:
            self.recorder.note(ended, deployment)
            return self.called_off(current, even_installed=deployment.recall_reason is not None)
        if self.outcome is Outcome.WITHDRAWN:
            return self._again_after_withdrawal(deployment, current)
        retry = self._retry(deployment, current)
        if retry is not None:
            return retry
        if self.outcome is Outcome.ASKED and (why := self._why_withdrawn(deployment, current)):
            self.recorder.note(why, deployment)
            return self.withdrawn(current)
        if self.outcome is Outcome.FAILED and _is_held_back(deployment) and not current.is_cancel:
            self.recorder.note(Why.FAILED, deployment)
            return Decision(self.cancel(current))  # it would run again when its agent starts
        if current.is_cancel:
            if not is_cancelling(self.record):
                self.recorder.note(_WHY[self.outcome or Outcome.CANCELED], deployment)
            return self.given_up(current, deployment)
        if self._is_stuck_and_cancelled(deployment, current):
            return Decision(self.cancel(current))
        if current.issue != deployment.issue and self._needs_new_signature():
            return Decision(replace(current, issue=deployment.issue))
        self.recorder.note(_WHY[self.outcome or Outcome.ASKED], deployment)
        return Decision(look_at=self._deadline(deployment, current))

    def _again_after_withdrawal(self, deployment: Deployment, current: DeviceCommand) -> Decision:
        if not is_heard_since_withdrawal(self.record):
            self.recorder.note(Why.WITHDRAWN, deployment)
            return LEAVE
        held = self.outside_window(deployment)
        if held is not None:
            return held
        self.recorder.note(Why.DUE, deployment)
        return self.asked(deployment, self._renewed(deployment, current))

    def _retry(self, deployment: Deployment, current: DeviceCommand) -> Decision | None:
        """Ask once more after a failure, where an operator wants that since."""
        ordered = order_of(self.record.orders, OrderKind.RETRY, deployment.workflow_id)
        wanted = max(
            deployment.subgroup(self.class_id).retry_timestamp or "", ordered.at if ordered else ""
        )
        if self.outcome not in (Outcome.FAILED, Outcome.CANCELED) or wanted <= current.stamp:
            return None
        if is_cancelling(self.record) or not deployment.may_ask(self.class_id):
            return None
        stop = self._run_again(deployment, current)
        if stop is not None:
            return stop
        held = self.outside_window(deployment)
        if held is not None:
            return held
        known = evidence_of(self.record)
        codes = known.extended_result_codes if known is not None else ()
        is_old = later(current.stamp, self.link_life) <= self.now
        self.recorder.note(Why.RETRY_DUE, deployment)
        again = replace(self._renewed(deployment, current), retry_timestamp=wanted, at=current.at)
        if not (is_old or current.is_cancel or is_download_failure(codes)):
            again = replace(again, ask=current.ask)  # what was downloaded already is used again
        again = replace(again, retry_count=current.retry_count + 1)
        return self.asked(deployment, again)

    def _renewed(self, deployment: Deployment, current: DeviceCommand) -> DeviceCommand:
        """The command as a new workflow of the device: a fresh agent that saw only the cancel holds
        the old id, and one that failed in download keeps the old links.
        """
        return replace(
            current,
            issue=deployment.issue,
            ask=current.ask + 1,
            group_id=self.seen.group_id,
            class_id=self.class_id,
            is_cancel=False,
            canceled_at="",
            withdrawn_at="",
            is_given_up=False,
        )

    def _why_withdrawn(self, deployment: Deployment, current: DeviceCommand) -> Why | None:
        """Why a command of which the device has given no sign is taken back; None to leave it."""
        if current.home != self.home:
            return Why.WITHDRAWN
        if _is_held_back(deployment):
            return Why.PAUSED
        if deployment.rollout is not None:
            silent_at = later(current.stamp, deployment.rollout.deadlines.until_silent)
            if silent_at <= self.now:
                return Why.SILENT
        return Why.WINDOW_CLOSED if self.is_past_window(deployment) else None

    def _is_stuck_and_cancelled(self, deployment: Deployment, current: DeviceCommand) -> bool:
        if deployment.rollout is None or self.outcome is not Outcome.STARTED or current.is_cancel:
            return False
        deadlines, known = deployment.rollout.deadlines, evidence_of(self.record)
        return (
            deadlines.cancel_stuck
            and known is not None
            and later(known.at, deadlines.until_stuck) <= self.now
        )

    def _deadline(self, deployment: Deployment, current: DeviceCommand) -> str:
        if deployment.rollout is None or self.outcome is not Outcome.ASKED:
            return ""
        return later(current.stamp, deployment.rollout.deadlines.until_silent)

    def _needs_new_signature(self) -> bool:
        if self.seen.state is DeviceState.IN_PROGRESS:
            return True
        known = evidence_of(self.record)
        return known is not None and Erc.SIGNING_KEY_DISABLED in known.extended_result_codes

    # asking a device for something new

    def _ask(self, deployment: Deployment) -> Decision:
        if self._has_gone_further(deployment):
            return self.nothing()
        held = self.outside_window(deployment)
        if held is not None:
            left = self.nothing()
            return left if left.command is not None else held
        busy = self._busy(deployment)
        if busy is not None:
            return busy
        phase = self._phase(deployment) if deployment.rollout is not None else None
        is_member = (
            deployment.rollout is not None
            and phase is not None
            and deployment.rollout.phases[phase].select.count is not None
        )
        self.recorder.note(Why.DUE, deployment)
        return self.asked(deployment, self._command(deployment), is_member=is_member)

    def _command(self, deployment: Deployment) -> DeviceCommand:
        label, minutes = "", 0
        if deployment.rollout is not None and deployment.progress is not None:
            progress = deployment.progress
            label = LATE if progress.covered_at else str(progress.phase)
            minutes = slot_minutes(deployment.rollout.deadlines)
        return DeviceCommand(
            workflow_id=deployment.workflow_id,
            retry_timestamp=None,
            is_cancel=False,
            deployment_id=deployment.deployment_id,
            group_id=self.seen.group_id,
            class_id=self.class_id,
            update_id=deployment.update_id,
            issue=deployment.issue,
            precedence=deployment.times,
            priority=deployment.priority,
            is_own=deployment.is_own,
            label=label,
            slot_minutes=minutes,
            had_it=self.seen.installed == deployment.update_id,
        )

    def _busy(self, waiting: Deployment) -> Decision | None:
        """A device that works is never given another workflow, for the open agent then hangs: it is
        told to stop, and asked once it has ended.
        """
        current = self.record.commanded
        if current is None:
            return None
        if is_working(self.record):
            self.recorder.note(Why.WORKS_ON_ANOTHER, waiting)
            if not current.is_cancel:
                return Decision(self.cancel(current))
            stopping = self.given_up(current, waiting)
            return stopping if stopping.command is None else None
        if holds_old_steps(self.record):
            self.recorder.note(Why.AGENT_HOLDS_FAILED_UPDATE, waiting)
            return LEAVE if current.is_cancel else Decision(self.cancel(current))
        return self._run_again(waiting, current)

    def _run_again(self, waiting: Deployment, current: DeviceCommand) -> Decision | None:
        """Stop an agent that works on what it has failed to install before; None if it does not."""
        if not may_run_again(self.record):
            return None
        self.recorder.note(Why.WORKS_ON_ANOTHER, waiting)
        return LEAVE if current.is_cancel else Decision(self.cancel(current))

    def _has_gone_further(self, deployment: Deployment) -> bool:
        """Whether what the device has answered takes it beyond this: it has answered just this, or
        something of greater precedence that started later.
        """
        base = answered_by(self.record)
        if base is None or base.home != self.home:
            return False
        name = past_name(deployment.workflow_id)
        past = self.record.past or ()
        if any(item.is_answered and item.workflow == name for item in past):
            self.recorder.note(Why.ANSWERED_BEFORE, deployment)
            return True
        is_older = deployment.starts_at <= base.precedence[2]
        if deployment.precedence < base.precedence and is_older and not deployment.undoes:
            self.recorder.note(Why.GONE_FURTHER, deployment)
            return True
        return False


_WHY = {
    Outcome.ASKED: Why.ASKED,
    Outcome.STARTED: Why.IN_PROGRESS,
    Outcome.SUCCEEDED: Why.HAS_IT,
    Outcome.HAD: Why.HAS_IT,
    Outcome.REVERTED: Why.HAS_IT,
    Outcome.FAILED: Why.FAILED,
    Outcome.CANCELED: Why.CANCELED_BY_DEVICE,
    Outcome.WITHDRAWN: Why.WITHDRAWN,
}


def _is_held_back(deployment: Deployment) -> bool:
    """Whether commands that no device has begun are to be taken back."""
    progress = deployment.progress
    return progress is not None and progress.hold is Hold.WITHDRAW
