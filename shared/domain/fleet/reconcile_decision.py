"""What to do about a device, and why: the answer of `reconcile.desired_command`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment


class Why(StrEnum):
    """Why a device is asked, or not: codes for people, in `explain`."""

    NO_AGENT = "NoAgent"
    CLASS_HELD_BACK = "ClassHeldBack"
    NOT_COMPATIBLE = "NotCompatible"
    NOT_STARTED = "NotStarted"
    EXCLUDED = "Excluded"
    CANCELED_FOR_DEVICE = "CanceledForDevice"
    CANCELED_FOR_CLASS = "CanceledForClass"
    ENDED = "Ended"
    PAUSED = "Paused"
    ROLLED_BACK = "RolledBack"
    PHASE_NOT_REACHED = "PhaseNotReached"
    GONE_FURTHER = "GoneFurther"
    ANSWERED_BEFORE = "AnsweredBefore"
    WINDOW_CLOSED = "WindowClosed"
    DUE = "Due"
    HAS_IT = "HasIt"
    ASKED = "Asked"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    RETRY_DUE = "RetryDue"
    CANCELED_BY_DEVICE = "CanceledByDevice"
    CANCELING = "Canceling"
    WITHDRAWN = "Withdrawn"
    SILENT = "Silent"
    WORKS_ON_ANOTHER = "WorksOnAnother"
    AGENT_HOLDS_FAILED_UPDATE = "AgentHoldsFailedUpdate"


class Recorder(Protocol):
    """Is told each thing that was looked at, in order; the last one decides."""

    def note(self, why: Why, deployment: Deployment | None, until: str = "") -> None:
        """Take down a reason; `until` is when it ends by itself."""
        ...


class Nobody:
    """Takes nothing down."""

    def note(self, why: Why, deployment: Deployment | None, until: str = "") -> None:
        """Nobody asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a device: `command` is what its twin should be given, None to leave it.

    `deployment` is set where the device is to run its update: now, which takes room where its
    roll-out bounds how many are asked (`is_member`: where a phase by count takes it in), or without
    a command once its window opens, at `look_at`. That is also when time alone may change another
    answer. At `remind_at` the device has to be looked at by itself, because no pass over its bucket
    will come because of it. At `closes_at` the window closes in which it was asked or is now, and
    what it has not begun by then is taken back.
    """

    command: DeviceCommand | None = None
    deployment: Deployment | None = None
    is_member: bool = False
    look_at: str = ""
    remind_at: str = ""
    closes_at: str = ""
