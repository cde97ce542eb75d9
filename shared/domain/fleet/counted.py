"""How many devices a list has, where counters know it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from shared.domain.fleet.compliance import (
    count_before,
    failing_counts,
    heard_counts,
    installed_counts,
    is_on_latest,
    working_counts,
)
from shared.domain.fleet.counters import (
    CONNECTED,
    DISCONNECTED,
    NOTHING_INSTALLED,
    TOTAL,
    UNHEALTHY,
    Cell,
    Counts,
    failing_cell,
    installed_cell,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.listing import Selection

_DAY = len("2026-01-31")
_BUSY = installed_cell("", is_in_progress=True)

type _Count = Callable[[str, Mapping[Cell, int]], int | None]
"""How many devices of a class meet one part of a selection; None if its counters do not tell."""


def count_of(counts: Counts, wanted: Selection) -> int | None:
    """How many devices a selection has; None if counters do not tell.

    They tell of everything and of each part of a filter by itself, within a group or a class, but
    for prefixes of ids, for states other than failed and in progress, and for times within a day.

    Args:
        counts: The counters of the group, or of all groups, by class.
        wanted: The selection.
    """
    parts = list(_parts(wanted))
    if len(parts) > 1 or wanted.id_prefix:
        return None
    count = parts[0] if parts else _total
    class_id, found = wanted.columns.get("class"), 0
    for (_, each), cells in counts.items():
        if class_id in (None, each):
            number = count(each, cells)
            if number is None:
                return None
            found += number
    return found


def _parts(wanted: Selection) -> Iterator[_Count]:
    for name in wanted.columns.keys() - {"group", "class"}:
        yield _of_column(name, wanted)
    if wanted.heard_before is not None:
        is_told = not wanted.may_be_connected
        yield _by_day(heard_counts, wanted.heard_before) if is_told else _unknown
    if wanted.working_before is not None:
        yield _by_day(working_counts, wanted.working_before)
    if wanted.is_on_latest is not None:
        yield lambda class_id, cells: sum(
            count
            for update, count in installed_counts(cells).items()
            if is_on_latest(update, (wanted.latest or {}).get(class_id)) is wanted.is_on_latest
        )


def _of_column(name: str, wanted: Selection) -> _Count:
    value = wanted.columns[name]
    if name == "failure" and wanted.failure_code == int(value, 16):
        return _cells(failing_cell(value))
    if name == "installed":
        update = value or NOTHING_INSTALLED
        return _cells(*(installed_cell(update, is_in_progress=busy) for busy in (True, False)))
    if name == "state" and value == DeviceState.FAILED:
        return lambda _, cells: sum(failing_counts(cells).values())
    if name == "state" and value == DeviceState.IN_PROGRESS:
        return lambda _, cells: sum(n for cell, n in cells.items() if cell.startswith(_BUSY))
    if name == "health" and value:
        return _cells(UNHEALTHY)
    if name == "connected" and value:
        return _cells(CONNECTED if value == "yes" else DISCONNECTED)
    return _unknown


def _cells(*names: Cell) -> _Count:
    return lambda _, cells: sum(cells.get(name, 0) for name in names)


def _by_day(counts: Callable[[Mapping[Cell, int]], Mapping[str, int]], limit: str) -> _Count:
    if len(limit) != _DAY:
        return _unknown
    return lambda _, cells: count_before(counts(cells), limit)


def _total(_: str, cells: Mapping[Cell, int]) -> int:
    return cells.get(TOTAL, 0)


def _unknown(_: str, __: Mapping[Cell, int]) -> None:
    return None
