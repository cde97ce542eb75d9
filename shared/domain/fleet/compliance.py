"""Compliance and deployment status, computed from counters; no device is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.domain.errors import InvalidInput
from shared.domain.fleet.counters import (
    CONNECTED,
    DISCONNECTED,
    FAILED,
    NOTHING_INSTALLED,
    TOTAL,
    Cell,
    deployment_cell,
    failing_cell,
    heard_cell,
    working_cell,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.updates.update_id import UpdateId


@dataclass(frozen=True, slots=True)
class Compliance:
    """How many devices stand where; the last three add up to the total.

    A device in a running deployment counts as in progress, whatever is installed on it.
    """

    total: int = 0
    on_latest: int = 0
    new_available: int = 0
    in_progress: int = 0
    connected: int = 0

    def __add__(self, other: Compliance) -> Compliance:
        return Compliance(
            total=self.total + other.total,
            on_latest=self.on_latest + other.on_latest,
            new_available=self.new_available + other.new_available,
            in_progress=self.in_progress + other.in_progress,
            connected=self.connected + other.connected,
        )


@dataclass(frozen=True, slots=True)
class StateCounts:
    """Devices of a deployment by state."""

    in_progress: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    @property
    def commanded(self) -> int:
        """Devices that have been asked to run the deployment."""
        return self.in_progress + self.succeeded + self.failed + self.canceled

    def of(self, state: DeviceState | None) -> int:
        """Devices in a state; in any, if it is None."""
        if state is None:
            return self.commanded
        return {
            DeviceState.IN_PROGRESS: self.in_progress,
            DeviceState.SUCCEEDED: self.succeeded,
            DeviceState.FAILED: self.failed,
            DeviceState.CANCELED: self.canceled,
        }[state]


def is_on_latest(installed: UpdateId | None, best: UpdateId | None) -> bool:
    """Whether nothing newer than what is installed fits the device."""
    if best is None:
        return True
    if installed is None:
        return False
    same_line = (installed.provider, installed.name) == (best.provider, best.name)
    return same_line and installed.version_key >= best.version_key


def compliance(cells: Mapping[Cell, int], best: UpdateId | None) -> Compliance:
    """Compliance of one device class from its counters.

    Args:
        cells: Counters of the class (of a group, or of several groups together).
        best: The newest update that fits the class; None if none does.
    """
    on_latest = new_available = in_progress = 0
    for installed, is_busy, count in _installed_cells(cells):
        if is_busy:
            in_progress += count
        elif is_on_latest(installed, best):
            on_latest += count
        else:
            new_available += count
    return Compliance(
        total=cells.get(TOTAL, 0),
        on_latest=on_latest,
        new_available=new_available,
        in_progress=in_progress,
        connected=cells.get(CONNECTED, 0),
    )


def state_counts(cells: Mapping[Cell, int], workflow_id: str) -> StateCounts:
    """Devices of one class by their state in the deployment that has the workflow."""
    counts = {state: cells.get(deployment_cell(workflow_id, state), 0) for state in DeviceState}
    return StateCounts(
        counts[DeviceState.IN_PROGRESS],
        counts[DeviceState.SUCCEEDED],
        counts[DeviceState.FAILED],
        counts[DeviceState.CANCELED],
    )


@dataclass(frozen=True, slots=True)
class Connections:
    """Devices by what is known of their connection.

    The hub tells of a connection only if the device sends telemetry or takes messages; of all
    others none is known. `heard` counts those that are not known to be connected by the day of
    their last report, ISO 8601; the day is empty where none is known.
    """

    total: int
    connected: int
    disconnected: int
    heard: Mapping[str, int]

    @property
    def unknown(self) -> int:
        """Devices whose connection nobody has told of."""
        return self.total - self.connected - self.disconnected


def connections(rows: Iterable[Mapping[Cell, int]]) -> Connections:
    """Connections of the devices that some counters are of."""
    cells: Counter[Cell] = Counter()
    for row in rows:
        cells.update(row)
    return Connections(cells[TOTAL], cells[CONNECTED], cells[DISCONNECTED], heard_counts(cells))


def failure_counts(cells: Mapping[Cell, int], workflow_id: str) -> dict[str, int]:
    """Failed devices of the deployment that has the workflow, by code."""
    return {
        code: count
        for rest, count in _by_prefix(cells, FAILED).items()
        for code, _, workflow in [rest.partition(":")]
        if workflow == workflow_id
    }


def failing_counts(cells: Mapping[Cell, int]) -> dict[str, int]:
    """Devices that have failed in their last deployment, by code."""
    return _by_prefix(cells, failing_cell(""))


def heard_counts(cells: Mapping[Cell, int]) -> dict[str, int]:
    """Devices that are not connected by the day of their last report; empty for none."""
    return _by_prefix(cells, heard_cell(""))


def working_counts(cells: Mapping[Cell, int]) -> dict[str, int]:
    """Devices in progress by the day of the last that is known of it."""
    return _by_prefix(cells, working_cell(""))


def count_before(by_day: Mapping[str, int], limit: str) -> int:
    """How many devices are of a known day before another."""
    return sum(count for day, count in by_day.items() if "" < day < limit)


def installed_counts(cells: Mapping[Cell, int]) -> dict[UpdateId | None, int]:
    """Devices by installed update; None is no update, or none that could be read."""
    found: Counter[UpdateId | None] = Counter()
    for installed, _, count in _installed_cells(cells):
        found[installed] += count
    return found


def _by_prefix(cells: Mapping[Cell, int], prefix: str) -> dict[str, int]:
    return {
        cell.removeprefix(prefix): count
        for cell, count in cells.items()
        if cell.startswith(prefix) and count
    }


def best_update(candidates: Iterable[UpdateId]) -> UpdateId | None:
    """The newest of the updates that fit a class; the last by name of equally new ones."""
    return max(candidates, key=lambda item: (item.version_key, item), default=None)


def _installed_cells(
    cells: Mapping[Cell, int],
) -> Iterable[tuple[UpdateId | None, bool, int]]:
    for cell, count in cells.items():
        kind, _, rest = cell.partition(":")
        if kind == "installed":
            busy, _, name = rest.partition(":")
            yield _update(name), busy == "busy", count


def _update(name: str) -> UpdateId | None:
    if name == NOTHING_INSTALLED:
        return None
    try:
        return UpdateId(*name.split("/"))
    except InvalidInput:
        return None
