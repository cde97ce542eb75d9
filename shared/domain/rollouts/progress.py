"""Where a roll-out stands: what the evaluator and operators move, kept in the deployment row.

Grants (`allow_*`) and `opened` only ever grow within one workflow. Instants are ISO 8601 in UTC, as
`domain.instant` has them, so their order is that of the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What a roll-out is doing, as the API names it; `AWAITING_APPROVAL` is shown, never kept."""

    AWAITING_APPROVAL = "AwaitingApproval"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    BAKING = "Baking"
    AWAITING_ADVANCE = "AwaitingAdvance"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    ENDED = "Ended"
    ABORTED = "Aborted"
    ROLLED_BACK = "RolledBack"

    @property
    def is_final(self) -> bool:
        """Whether nothing but a deletion can follow."""
        return self in _FINAL

    @property
    def asks(self) -> bool:
        """Whether devices of the opened phases may be asked; `Progress.hold` apart."""
        return self in _ASKING


_FINAL = {Status.REJECTED, Status.ENDED, Status.ABORTED, Status.ROLLED_BACK}
_ASKING = {Status.RUNNING, Status.BAKING, Status.AWAITING_ADVANCE, Status.COMPLETED}


class ReasonCode(StrEnum):
    """Why a roll-out stopped or holds, as the API names it."""

    OPERATOR = "Operator"
    FAILURE_PERCENT = "FailurePercent"
    FAILURE_COUNT = "FailureCount"
    GATE_MISSED = "GateMissed"
    PHASE_EMPTY = "PhaseEmpty"
    OVERDUE = "Overdue"
    RECALLED = "Recalled"
    ROLLBACK_TARGET_UNUSABLE = "RollbackTargetUnusable"
    ROLLED_BACK_ELSEWHERE = "RolledBackElsewhere"
    EDIT_NEEDS_APPROVAL = "EditNeedsApproval"
    SUPERSEDED = "Superseded"


class Hold(StrEnum):
    """What becomes of devices while nobody new is asked."""

    NONE = ""
    ASKS = "Asks"
    """Nobody new is asked; commands that stand in twins are left there."""
    WITHDRAW = "Withdraw"
    """The same, and commands of which no device has shown a sign are withdrawn."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Reason(_Stored, frozen=True):
    """Why: a stable code and one sentence."""

    code: ReasonCode
    message: str


class Opened(_Stored, frozen=True):
    """A phase that was opened; empty until it was covered, and passed."""

    at: str
    covered_at: str = ""
    passed_at: str = ""


class Baseline(_Stored, frozen=True):
    """Successes and failures that a resume has forgiven: of all phases, and of the open one."""

    ok: int = 0
    bad: int = 0
    phase_ok: int = 0
    phase_bad: int = 0


class Progress(_Stored, frozen=True):
    """Where a roll-out stands.

    `opened` has an entry for each phase from the first to the open one. `met_since` is when the
    open phase's success rule began to hold. `baselines` are by class, with "" for all. The
    allowances are by bucket. `as_of` is when the sums of the last transition were begun. `editors`
    are those who made or edited the deployment since it was last approved, by object id.
    `unapproved_since` is the revision since which it needs approval, 0 if it does not;
    `was_approved` says whether it ever had what it needs.
    """

    status: Status = Status.SCHEDULED
    since: str = ""
    opened: tuple[Opened, ...] = ()
    met_since: str = ""
    baselines: Mapping[str, Baseline] = {}
    allow_asks: Mapping[int, int] = {}
    allow_members: Mapping[int, int] = {}
    granted_at: str = ""
    hold: Hold = Hold.NONE
    reason: Reason | None = None
    as_of: str = ""
    editors: tuple[str, ...] = ()
    unapproved_since: int = 0
    was_approved: bool = True

    @property
    def phase(self) -> int:
        """Index of the open phase; -1 before the first."""
        return len(self.opened) - 1

    @property
    def covered_at(self) -> str:
        """When everybody of the open phase had been asked; empty until then."""
        return self.opened[-1].covered_at if self.opened else ""

    @property
    def shown(self) -> Status:
        """The status that the API shows: a missing approval hides what would go on with it."""
        waits = self.unapproved_since and (self.status.asks or self.status is Status.SCHEDULED)
        return Status.AWAITING_APPROVAL if waits else self.status

    @property
    def may_ask(self) -> bool:
        """Whether devices of the opened phases may be asked now, windows and room apart."""
        return self.status.asks and self.hold is Hold.NONE and not self.unapproved_since
