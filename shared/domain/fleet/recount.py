"""What a recount of one bucket finds: counters that do not add up, and what is outlived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.fleet.counters import Cell, CounterKey, Counts
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.registers import ROOT

MAX_TOMBSTONES = 32
"""Registers of removed twin members that a device row may keep."""
KEEP_DELETED = timedelta(days=30)
"""How long a deleted device is known: longer than any event of it can be on its way."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that was found to differ from a recount of the rows that it counts."""

    group_id: str
    class_id: str
    cell: Cell
    found: int
    counted: int


@dataclass(frozen=True, slots=True)
class Recounted:
    """The last recount of a bucket. `renewed` devices had their twins read anew, `forgotten` rows
    were of deleted deployments and devices, `indexed` rows of lists were missing or wrong.
    `is_indexed` says that the bucket's lists were looked at.
    """

    bucket: int
    at: str
    devices: int
    drift: tuple[Drift, ...] = ()
    drifted_at: str = ""
    renewed: int = 0
    forgotten: int = 0
    indexed: int = 0
    is_indexed: bool = False


def drift_of(found: Counts, counted: Counts) -> list[Drift]:
    """Every counter that differs; a cell that is missing counts nothing."""
    return [
        Drift(*place, cell, here, there)
        for place in sorted(found.keys() | counted.keys())
        for cell in sorted(_cells(found, place).keys() | _cells(counted, place).keys())
        if (here := _cells(found, place).get(cell, 0))
        != (there := _cells(counted, place).get(cell, 0))
    ]


def is_cluttered(record: DeviceRecord) -> bool:
    """Whether a row keeps so many registers of removed members that the twin should be read anew.

    A tombstone may go only when the whole twin of its version or a newer one is known: an older
    change that comes late would bring the member back.
    """
    removed = (path for path, (_, value) in record.registers.items() if value is None)
    return sum(path != ROOT for path in removed) > MAX_TOMBSTONES


def is_long_gone(record: DeviceRecord, now: str) -> bool:
    """Whether a device was deleted so long ago that its row protects nothing any more."""
    if record.registers or record.commanded is not None or not record.deleted_at:
        return False
    return datetime.fromisoformat(now) - datetime.fromisoformat(record.deleted_at) > KEEP_DELETED


def _cells(counts: Counts, place: CounterKey) -> Mapping[Cell, int]:
    return counts.get(place, {})
