"""When a device may be asked, and when it has to be looked at because of that."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.fleet.taking_back import TakingBack
from shared.domain.fleet.windows import NEVER, ask_opening, closing


@dataclass(slots=True)
class AskingTime(TakingBack):
    """One device and the windows in which its deployments may ask it.

    Passes write down where windows of a roll-out open and close (`closings`), and the sums of the
    group notice when it is time. Nobody does for other deployments, so `reminders` say when the
    device has to be looked at.
    """

    reminders: list[str] = field(default_factory=list)
    closings: list[str] = field(default_factory=list)

    def outside_window(self, deployment: Deployment) -> Decision | None:
        """What to do about a device that may not be asked now; None if it may."""
        opening = ask_opening(deployment, self.record, self.now)
        if opening is None:
            return None
        self.recorder.note(Why.WINDOW_CLOSED, deployment, opening)
        if deployment.rollout is None and opening != NEVER:
            self.reminders.append(opening)
        return Decision(deployment=deployment, look_at=opening)

    def asked(
        self, deployment: Deployment, command: DeviceCommand, *, is_member: bool = False
    ) -> Decision:
        """Ask the device now."""
        self._note_closing(deployment)
        return Decision(command, deployment, is_member)

    def is_past_window(self, deployment: Deployment) -> bool:
        """Whether a command that the device has not begun is taken back: its window has closed."""
        return deployment.withdraws_on_close and self._note_closing(deployment) is None

    def _note_closing(self, deployment: Deployment) -> str | None:
        closes_at = closing(deployment, self.record, self.now)
        if closes_at and deployment.withdraws_on_close:
            noticed = self.reminders if deployment.rollout is None else self.closings
            noticed.append(closes_at)
        return closes_at
