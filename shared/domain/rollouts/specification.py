"""What an operator asks of a roll-out, as the API has it and as the deployment row keeps it.

One declaration of each object serves both, and the OpenAPI document: camelCase JSON, defaults left
out. `request.rollout_of` checks what types cannot say. Durations are ISO 8601, instants ISO 8601 in
UTC, percentages have two decimals at most.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.domain.rollouts.durations import PATTERN, duration

MAX_PHASES = 50
MAX_WINDOWS = 20

type Percent = Annotated[float, Meta(ge=0, le=100)]
type Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
type Duration = Annotated[str, Meta(pattern=PATTERN, description="ISO 8601, such as PT12H or P1D.")]
type Advance = Literal["Auto", "Manual"]
type FailureAction = Literal["Pause", "Rollback", "Abort"]
type OnClose = Literal["Withdraw", "Leave"]
type Approval = Literal["None", "Required"]


class Part(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of all: unknown members are errors, because a rule with a typing error in its name must
    not be skipped silently.
    """


class Select(Part, frozen=True):
    """The devices of a phase, by exactly one of these.

    `percent` is cumulative, of all devices that the deployment targets. `count` is that many more
    devices than the phases before have. `classId` is a device class, whole.
    """

    percent: Annotated[float, Meta(gt=0, le=100)] | None = None
    count: Positive | None = None
    class_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    @property
    def basis_points(self) -> int:
        """Hundredths of a per cent; 0 for another kind of phase."""
        return round((self.percent or 0) * 100)


class Gate(Part, frozen=True):
    """What lets a roll-out go on from a phase: enough successes, held for `bakeTime`.

    `successPercent` is of the devices asked that could answer, once `minimumSample` of them have
    ended and `answeredPercent` have answered. With `advance` Manual a person goes on. A roll-out
    pauses once a phase has taken longer than `maximumWait`.
    """

    success_percent: Percent = 95
    minimum_sample: Positive = 10
    answered_percent: Percent = 50
    bake_time: Duration = "PT0S"
    advance: Advance = "Auto"
    maximum_wait: Duration | None = None

    @property
    def bake(self) -> timedelta:
        """`bake_time` as a length of time."""
        return duration(self.bake_time)

    @property
    def longest_wait(self) -> timedelta | None:
        """`maximum_wait` as a length of time."""
        return None if self.maximum_wait is None else duration(self.maximum_wait)


class Phase(Part, frozen=True):
    """One step: which devices may be asked, and when the next step follows.

    One that has no devices pauses the roll-out, unless `ifEmpty` is Continue.
    """

    select: Select
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    gate: Gate = Gate()
    if_empty: Literal["Pause", "Continue"] = "Pause"


EVERYBODY = (Phase(select=Select(percent=100), name="all", if_empty="Continue"),)


class FailureRule(Part, frozen=True):
    """When a roll-out stops: `count` devices have failed, or `percent` of those that have ended.

    Less than `minimumSample` devices count as that many, so that a first failure stops nothing.
    """

    percent: Percent = 5
    minimum_sample: Positive = 100
    count: Positive | None = None
    action: FailureAction = "Pause"


class Rate(Part, frozen=True):
    """How many devices are asked a minute at most."""

    per_minute: Annotated[int, Meta(ge=1, le=1_000_000)]


class Deadlines(Part, frozen=True):
    """When a device that was asked is silent (`start`), and when one that has begun is stuck
    (`progress`). Stuck devices count as failed if `countAsFailure`; `cancelStuck` cancels them.
    """

    start: Duration = "P3D"
    progress: Duration = "P1D"
    count_as_failure: bool = True
    cancel_stuck: bool = False

    @property
    def until_silent(self) -> timedelta:
        """`start` as a length of time."""
        return duration(self.start)

    @property
    def until_stuck(self) -> timedelta:
        """`progress` as a length of time."""
        return duration(self.progress)


class Window(Part, frozen=True):
    """A maintenance window: opens by `cron` (five fields, local time), stays open for `duration`.

    `zone` is an IANA name, or `device` for each device's own, `fallbackZone` where it has none.
    """

    cron: Annotated[str, Meta(min_length=1, max_length=200)]
    duration: Duration
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    fallback_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"

    @property
    def length(self) -> timedelta:
        """`duration` as a length of time."""
        return duration(self.duration)


class Rollout(Part, frozen=True):
    """How a deployment reaches its devices: without `phases` all at once. Additional.

    `seed` orders the devices; by default every deployment begins with others. `maximumInFlight`
    bounds those asked at a time that have not ended. Of two deployments of a group the one of
    higher `priority` decides, whatever their age. `windows` bound when devices are asked; at their
    end commands not begun are withdrawn, unless `onClose` is Leave. Windows that devices have of
    their own bound it further, unless `ignoreDeviceWindow`.
    """

    phases: Annotated[tuple[Phase, ...], Meta(min_length=1, max_length=MAX_PHASES)] = EVERYBODY
    seed: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    failure: FailureRule = FailureRule()
    maximum_in_flight: Positive | None = None
    rate: Rate | None = None
    priority: Annotated[int, Meta(ge=0, le=1000)] = 500
    deadlines: Deadlines = Deadlines()
    windows: Annotated[tuple[Window, ...], Meta(max_length=MAX_WINDOWS)] = ()
    on_close: OnClose = "Withdraw"
    ignore_device_window: bool = False
    approval: Approval = "None"
    end_date_time: str | None = None

    def phase_name(self, index: int) -> str:
        """What a phase is called: as it was named, else by its number, the first being 1."""
        return self.phases[index].name or f"phase {index + 1}"
