"""The JSON objects of roll-outs in the REST API; all are additional to the published API."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.domain.rollouts import specification
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.transition import Step
from shared.http.models.common import Count, Model

type Remark = Annotated[str, Meta(max_length=1000)]
type RevisionNumber = Annotated[int, Meta(ge=1)]


class RolloutFigures(Model):
    """Devices that were asked, by what became of them.

    `open` may still answer in time; `silent` never gave a sign, `withdrawn` were never heard of
    since their command was taken back; `stuck` began and report no more; `reverted` went back to
    something else by themselves; `alreadyInstalled` had the update when they were asked.
    """

    asked: Count
    succeeded: Count
    failed: Count
    open: Count
    silent: Count
    stuck: Count
    reverted: Count
    withdrawn: Count
    canceled: Count
    already_installed: Count


class RolloutPhase(RolloutFigures):
    """How one phase stands."""

    name: str
    status: Literal["Waiting", "Open", "Passed"]
    opened_at: str | None = None
    covered_at: str | None = None
    passed_at: str | None = None


class RolloutReason(Model):
    """Why a roll-out has stopped or holds."""

    code: ReasonCode
    message: str


class FailureBudget(Model):
    """How many more devices may fail before the failure rule stops the roll-out; left out if any
    number may.
    """

    left: Count | None = None


class RolloutState(Model):
    """How a roll-out stands by the last sum of the counters, which was begun at `asOf`.

    `phase` is the index of the open phase, left out before the first. `late` are devices that were
    asked after their phase was covered. `waitsFor` says what the open phase lacks, to be read after
    "The phase". `estimatedEnd` is left out where a person is waited for.
    """

    status: Status
    since: str
    phases: list[RolloutPhase]
    late: RolloutFigures
    in_flight: Count
    failure_budget: FailureBudget
    as_of: str
    phase: Count | None = None
    reason: RolloutReason | None = None
    waits_for: str | None = None
    estimated_end: str | None = None


class Rollout(specification.Rollout, frozen=True):
    """How a deployment reaches its devices: without `phases` all at once. Additional.

    `seed` orders the devices; by default every deployment begins with others. `maximumInFlight`
    bounds those asked at a time that have not ended. Of two deployments of a group the one of
    higher `priority` decides, whatever their age. `windows` bound when devices are asked; at their
    end commands not begun are withdrawn, unless `onClose` is Leave. Windows that devices have of
    their own bound it further, unless `ignoreDeviceWindow`. `state` is read-only.
    """

    state: RolloutState | None = None


class PauseInput(Model):
    """Why to pause; `withdraw` also takes back commands that no device has begun."""

    reason: Remark = ""
    withdraw: bool = False


class ResumeInput(Model):
    """Resume only if this is still the revision."""

    revision: RevisionNumber | None = None


class AdvanceInput(Model):
    """The index of the phase to open: the next one. One that is open already changes nothing."""

    phase: Count


class AbortInput(Model):
    """Why to abort; `rollback` also sends the devices that were asked back, which needs a
    `rollbackPolicy`.
    """

    reason: Remark = ""
    rollback: bool = False


class ApprovalInput(Model):
    """Which revision is approved or rejected, and why."""

    revision: RevisionNumber
    remark: Remark = ""


class Transition(Model):
    """What has become of a deployment: who did what, when and why, and the figures seen then.

    `actor` is the object id of who asked, or `service`.
    """

    at: str
    actor: str
    step: Step
    revision: RevisionNumber
    previous_status: Status | None = None
    status: Status | None = None
    phase: Count | None = None
    code: ReasonCode | None = None
    message: str | None = None
    device_class_id: str | None = None
    figures: dict[str, int] | None = None
