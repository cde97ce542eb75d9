"""What became of the devices that a roll-out has asked: counted, never looked at one by one.

Each asked device is one cell of the counters of its bucket: `p:<label>:<outcome>:<workflow>`. The
label is the index of the phase that was open when it was asked, or `late`. Outcomes that have not
ended carry the minute until which they are young, `asked@<minute>`: so how many devices are silent
or stuck by now is a sum over old cells, without timers and without looking at a device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Deadlines

LATE = "late"
"""Label of a device that is asked after its phase was covered: failures of it count, its success
opens nothing."""
_PREFIX = "p:"
_SLOTS_PER_DEADLINE = 12


class Outcome(StrEnum):
    """What became of one asked device."""

    ASKED = "asked"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    HAD = "had"
    """It had the update when it was asked, so its success teaches nothing."""
    REVERTED = "reverted"
    """It succeeded and has gone back to something else by itself since."""
    FAILED = "failed"
    CANCELED = "canceled"
    WITHDRAWN = "withdrawn"
    """The command was taken back before the device gave any sign; it may be asked again."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Devices by outcome. `silent` and `stuck` are those whose deadline is over: a silent device
    never gave a sign, a stuck one began and reports no more.
    """

    asked: int = 0
    started: int = 0
    silent: int = 0
    stuck: int = 0
    succeeded: int = 0
    had: int = 0
    reverted: int = 0
    failed: int = 0
    canceled: int = 0
    withdrawn: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in _FIELDS}
        )

    @property
    def open(self) -> int:
        """Devices that may still answer in time."""
        return self.asked + self.started

    @property
    def unheard(self) -> int:
        """Devices that cannot answer: silent, or withdrawn meanwhile."""
        return self.silent + self.withdrawn

    @property
    def total(self) -> int:
        """Every device that was asked."""
        return sum(getattr(self, each.name) for each in _FIELDS)

    def as_mapping(self) -> dict[str, int]:
        """The figures that are not zero, by name."""
        return {each.name: count for each in _FIELDS if (count := getattr(self, each.name))}


_FIELDS = fields(Figures)
_OPEN = {Outcome.ASKED: "silent", Outcome.STARTED: "stuck"}


def slot_minutes(deadlines: Deadlines) -> int:
    """How many minutes a slot lasts: a twelfth of the shorter deadline, so that a bucket has few
    slots and a deadline is recognised a twelfth late at most.
    """
    shorter = min(deadlines.until_silent, deadlines.until_stuck)
    return max(1, int(shorter / timedelta(minutes=_SLOTS_PER_DEADLINE)))


def slot_end(at: str, minutes: int) -> int:
    """The minute, counted from 1970, that ends the slot of a time."""
    minute = int(datetime.fromisoformat(at).timestamp()) // 60
    return (minute // minutes + 1) * minutes


def phase_cell(label: str, outcome: Outcome, workflow_id: str, until: int = 0) -> str:
    """The cell that counts a device; `until` is the end of its slot where it has not ended."""
    what = f"{outcome}@{until}" if outcome in _OPEN else outcome.value
    return f"{_PREFIX}{label}:{what}:{workflow_id}"


def figures_by_label(
    cells: Mapping[str, int], workflow_id: str, deadlines: Deadlines, now: str
) -> dict[str, Figures]:
    """The figures of one class, by label.

    Args:
        cells: The counters of the class.
        workflow_id: The deployment's.
        deadlines: When a device is silent or stuck.
        now: ISO 8601, UTC: when the sums were begun.
    """
    silent, stuck = deadlines.until_silent, deadlines.until_stuck
    moment = datetime.fromisoformat(now).timestamp()
    last = {
        Outcome.ASKED: (moment - silent.total_seconds()) / 60,
        Outcome.STARTED: (moment - stuck.total_seconds()) / 60,
    }
    found: dict[str, dict[str, int]] = {}
    for cell, count in cells.items():
        if not cell.startswith(_PREFIX) or not cell.endswith(workflow_id):
            continue
        _, label, what, workflow = cell.split(":", 3)
        if workflow != workflow_id:
            continue
        name, _, until = what.partition("@")
        outcome = Outcome(name)
        if outcome in _OPEN and int(until) <= last[outcome]:
            name = _OPEN[outcome]
        sums = found.setdefault(label, {})
        sums[name] = sums.get(name, 0) + count
    return {label: Figures(**sums) for label, sums in found.items()}


def deadlines_of(
    cells: Mapping[str, int], workflow_id: str, deadlines: Deadlines
) -> Iterator[float]:
    """When devices of one class become silent or stuck unless they are heard: seconds since 1970,
    over or to come.
    """
    spans = {Outcome.ASKED: deadlines.until_silent, Outcome.STARTED: deadlines.until_stuck}
    for cell in cells:
        if not cell.startswith(_PREFIX) or not cell.endswith(workflow_id):
            continue
        _, _, what, workflow = cell.split(":", 3)
        name, _, until = what.partition("@")
        if workflow == workflow_id and name in spans:
            yield int(until) * 60 + spans[Outcome(name)].total_seconds()


def has_commands_to_take_back(
    cells: Mapping[str, int],
    workflow_id: str,
    deadlines: Deadlines,
    now: str,
    *,
    is_closed: bool,
) -> bool:
    """Whether commands of devices in a bucket may have to be taken back: of silent ones, of stuck
    ones if those are cancelled, and while windows are closed of all that have not begun.
    """
    found = added(figures_by_label(cells, workflow_id, deadlines, now).values())
    return bool(
        found.silent or (found.stuck and deadlines.cancel_stuck) or (found.asked and is_closed)
    )


def added(figures: Iterable[Figures]) -> Figures:
    """The sum of figures."""
    return sum(figures, Figures())
