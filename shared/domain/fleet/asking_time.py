"""When a device may be asked, and when it has to be looked at because of that."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.fleet.taking_back import TakingBack
from shared.domain.fleet.windows import NEVER, ask_opening, closing, device_window


@dataclass(slots=True)
class AskingTime(TakingBack):
    """One device and the windows in which its deployments may ask it.

    The sums of a group notice where windows of a roll-out open and close; of what concerns one
    device alone nobody takes notice, so `reminders` say when it has to be looked at.
    """

    reminders: list[str] = field(default_factory=list)

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
        self._remind_of_closing(deployment)
        return Decision(command, deployment, is_member)

    def is_past_window(self, deployment: Deployment) -> bool:
        """Whether a command that the device has not begun is taken back: its window has closed."""
        return deployment.withdraws_on_close and self._remind_of_closing(deployment) is None

    def _remind_of_closing(self, deployment: Deployment) -> str | None:
        closes_at = closing(deployment, self.record, self.now)
        is_its_own = deployment.rollout is None or device_window(self.record) is not None
        if closes_at and is_its_own and deployment.withdraws_on_close:
            self.reminders.append(closes_at)
        return closes_at
