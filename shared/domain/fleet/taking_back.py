"""What becomes of a command that nothing wants any more: what `reconcile` takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.domain.fleet.asking import CANCEL_DEADLINE
from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, DeviceView, is_cancelling, outcome_of
from shared.domain.fleet.reconcile_decision import Decision, Recorder, Why
from shared.domain.instant import later
from shared.domain.rollouts.figures import Outcome

LEAVE = Decision()
_INSTALLED = (Outcome.SUCCEEDED, Outcome.HAD, Outcome.REVERTED)


@dataclass(slots=True)
class TakingBack:
    """One device before its deployments, greatest precedence first."""

    record: DeviceRecord
    seen: DeviceView
    class_id: str
    ordered: Sequence[Deployment]
    now: str
    recorder: Recorder
    link_life: timedelta
    is_recalled: bool
    outcome: Outcome | None = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = outcome_of(self.record)

    @property
    def home(self) -> tuple[str, str]:
        """Where the device is at home: its tag group and class."""
        return self.seen.group_id, self.class_id

    def called_off(self, current: DeviceCommand, *, even_installed: bool) -> Decision:
        """Take back what is no longer wanted of a device that has not succeeded."""
        if current.is_cancel:
            return self.given_up(current, None)
        is_left = self.outcome in (Outcome.CANCELED, *_INSTALLED)
        return LEAVE if is_left and not even_installed else Decision(self.cancel(current))

    def recalled(self) -> Decision:
        """Take back what was recalled, wherever the device has gone since and whatever became of
        the deployment: an agent that begins anew would run it again.
        """
        current = self.record.commanded
        if current is None or current.is_cancel:
            return LEAVE
        return self.called_off(current, even_installed=True)

    def nothing(self) -> Decision:
        """Nobody asks: what the device was asked before may still have to be taken back."""
        current = self.record.commanded
        if current is None:
            return LEAVE
        if current.is_cancel:
            return self.given_up(current, None)
        if self.outcome is Outcome.FAILED:
            return Decision(self.cancel(current))
        known = {item.workflow_id for item in self.ordered}
        is_orphan = current.workflow_id not in known or current.home != self.home
        return self.withdrawn(current) if self.outcome is Outcome.ASKED and is_orphan else LEAVE

    def cancel(self, current: DeviceCommand) -> DeviceCommand:
        """The command, as one to stop."""
        return replace(current, is_cancel=True, canceled_at=self.now)

    def withdrawn(self, current: DeviceCommand) -> Decision:
        """Take back a command of which the device has given no sign."""
        return Decision(replace(self.cancel(current), withdrawn_at=self.now))

    def given_up(self, current: DeviceCommand, deployment: Deployment | None) -> Decision:
        """A device that was told to stop: wait for its last word, but not for ever."""
        if not is_cancelling(self.record):
            return LEAVE
        ends_at = later(current.canceled_at or current.stamp, CANCEL_DEADLINE)
        self.recorder.note(Why.CANCELING, deployment, ends_at)
        if ends_at <= self.now:
            return Decision(replace(current, is_given_up=True))
        return Decision(look_at=ends_at)
