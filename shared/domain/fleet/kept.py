"""Which devices of a group are kept together, so that a page of them is one read.

The devices of a group lie in as many buckets as it has devices, up to all. A small group is copied
whole. Of a large one, failures, silence, faults of health and leftovers of an old version concern a
few devices in as many buckets. What is rare is told from the counters of a roll-up; the next one
copies these devices with the same reads that sum up the buckets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.fleet.compliance import (
    count_before,
    failing_counts,
    heard_counts,
    working_counts,
)
from shared.domain.fleet.counters import (
    DISCONNECTED,
    NOTHING_INSTALLED,
    TOTAL,
    UNHEALTHY,
    Cell,
    Counts,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.health import UNHEALTHY as NOT_WELL
from shared.domain.fleet.listing import ListedDevice, Selection
from shared.domain.fleet.queries import SILENT_DAYS, STUCK_DAYS, days_before

_COMMON_UPDATES, _COMMON_CLASSES = 2, 1
"""So many may be common while all others are rare: what one query of the storage can leave out."""
_INSTALLED = "installed:"


@dataclass(frozen=True, slots=True)
class Kept:
    """Devices that meet any of these parts; or `everything`.

    `failed`: in their last deployment. `disconnected`: the hub told so. `heard_before` and
    `working_before` are days as in `Selection`, the former of devices that are not known to be
    connected; empty: nothing by days. `installed_but`, `class_but`: all but these, None: none.
    """

    everything: bool = False
    failed: bool = False
    unhealthy: bool = False
    disconnected: bool = False
    heard_before: str = ""
    working_before: str = ""
    installed_but: tuple[str, ...] | None = None
    class_but: tuple[str, ...] | None = None

    def has(self, device: ListedDevice) -> bool:
        """Whether a device is one of them."""
        columns = device.columns
        return (
            self.everything
            or (self.failed and device.state is DeviceState.FAILED)
            or (self.unhealthy and device.health == NOT_WELL)
            or (self.disconnected and device.is_connected is False)
            or (device.is_connected is not True and "" < device.heard_at < self.heard_before)
            or "" < device.working_since < self.working_before
            or _is_other(columns["installed"], self.installed_but)
            or _is_other(columns["class"], self.class_but)
        )

    def covers(self, wanted: Selection) -> bool:
        """Whether every device of a selection is one of them."""
        columns, heard, working = wanted.columns, wanted.heard_before, wanted.working_before
        is_unconnected = not wanted.may_be_connected or columns.get("connected") == "no"
        among = wanted.installed_among
        return (
            self.everything
            or (
                self.failed
                and (columns.get("state") == DeviceState.FAILED or bool(columns.get("failure")))
            )
            or (self.unhealthy and columns.get("health") == NOT_WELL)
            or (self.disconnected and columns.get("connected") == "no")
            or (is_unconnected and heard is not None and heard <= self.heard_before)
            or (working is not None and working <= self.working_before)
            or ("installed" in columns and _is_other(columns["installed"], self.installed_but))
            or ("class" in columns and _is_other(columns["class"], self.class_but))
            or (among is not None and all(_is_other(name, self.installed_but) for name in among))
        )


def kept_of(counts: Counts, now: str, most: int) -> Kept:
    """What of a group is kept, by its counters: all, or what is rare.

    Args:
        counts: Sums of the counters of its buckets.
        now: ISO 8601, UTC.
        most: Devices that are kept at most: parts are taken from the smallest on while they fit.
    """
    cells = Counter[Cell]()
    for each in counts.values():
        cells.update(each)
    if cells[TOTAL] <= most:
        return Kept(everything=True)
    kept, room = Kept(), most
    for count, part in sorted(_parts(counts, cells, now, most), key=lambda item: item[0]):
        if count <= room:
            kept, room = replace(kept, **part), room - count
    return kept


def _parts(
    counts: Counts, cells: Mapping[Cell, int], now: str, most: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each part with how many devices it has."""
    yield sum(failing_counts(cells).values()), {"failed": True}
    yield cells.get(UNHEALTHY, 0), {"unhealthy": True}
    yield cells.get(DISCONNECTED, 0), {"disconnected": True}
    for by_day, days, part in (
        (heard_counts(cells), SILENT_DAYS, "heard_before"),
        (working_counts(cells), STUCK_DAYS, "working_before"),
    ):
        limit = _limit(by_day, now, days, most)
        yield count_before(by_day, limit), {part: limit}
    updates, classes = Counter[str](), Counter[str]()
    for cell, count in cells.items():
        if cell.startswith(_INSTALLED):
            name = cell.split(":", 2)[2]
            updates["" if name == NOTHING_INSTALLED else name] += count
    for (_, class_id), each in counts.items():
        classes[class_id] += each.get(TOTAL, 0)
    yield _others(updates, _COMMON_UPDATES, "installed_but")
    yield _others(classes, _COMMON_CLASSES, "class_but")


def _limit(by_day: Mapping[str, int], now: str, days: int, most: int) -> str:
    """Of a day more than lists ask for now, if they fit, so that a list fits after midnight too."""
    limit = days_before(now, days - 1)
    return limit if count_before(by_day, limit) <= most else days_before(now, days)


def _others(names: Counter[str], most_common: int, part: str) -> tuple[int, dict[str, Any]]:
    common = sorted(names, key=lambda name: (-names[name], name))[:most_common]
    count = names.total() - sum(names[name] for name in common)
    return count, {part: tuple(sorted(common))}


def _is_other(name: str, common: tuple[str, ...] | None) -> bool:
    return common is not None and name not in common
