"""A transition of a roll-out: who, when, from what to what, why, and the figures seen.

They are rows beside the deployment, written in one transaction with it, and events for customers.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from shared.domain.rollouts.progress import ReasonCode, Status

SERVICE = "service"
"""Who made a transition that no operator made."""


class Step(StrEnum):
    """What was done, as the API names it."""

    CREATED = "Created"
    EDITED = "Edited"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    STARTED = "Started"
    PHASE_OPENED = "PhaseOpened"
    PHASE_COVERED = "PhaseCovered"
    BAKING = "Baking"
    AWAITING_ADVANCE = "AwaitingAdvance"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    COMPLETED = "Completed"
    ENDED = "Ended"
    ABORTED = "Aborted"
    ROLLED_BACK = "RolledBack"
    CLASS_CANCELED = "ClassCanceled"
    CLASS_RETRIED = "ClassRetried"


class Transition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One transition. `actor` is the object id of who did it, or `service`; `phase` is an index, -1
    before the first was opened. `figures` are counts of devices by what became of them. A
    deployment without phases has no status. `device_class_id` is set where it is of one class.
    """

    at: str
    actor: str
    step: Step
    before: Status | None = None
    after: Status | None = None
    revision: int
    phase: int = -1
    code: ReasonCode | None = None
    message: str = ""
    device_class_id: str = ""
    figures: Mapping[str, int] = {}
