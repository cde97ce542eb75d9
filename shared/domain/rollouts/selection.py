"""Which devices a phase reaches: a rule of the device's id, never a plan that is written down.

Every device has a fixed rank by its id. The seed of a roll-out turns all ranks by one offset, which
gives the device's place in this roll-out. A phase of 10 % reaches the first tenth of all places, so
it is one or two ranges of ranks, and a device that joins later falls where it belongs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Phase

PLACES = 1 << 64
_BASIS_POINTS = 10_000


def rank_of(device_id: str) -> int:
    """The rank of a device and of its modules, 0 to 2^64 - 1.

    Bytes 8 to 15 of the id's SHA-256; byte 0 is the bucket, so that ranks spread over every bucket.
    """
    return int.from_bytes(hashlib.sha256(device_id.encode()).digest()[8:16], "big")


def place_of(device_id: str, seed: str) -> int:
    """The device's place in a roll-out of this seed, 0 to 2^64 - 1; the lowest go first."""
    return (rank_of(device_id) - _offset(seed)) % PLACES


def phase_of(
    phases: Sequence[Phase], seed: str, device_id: str, class_id: str, open_phase: int
) -> int | None:
    """The first phase, up to the open one, that reaches a device; None if none does.

    A phase by count reaches every device while it is open: how many of them it asks is kept in the
    ledger of each bucket.

    Args:
        phases: All phases of the roll-out.
        seed: The roll-out's.
        device_id: The device.
        class_id: Its class.
        open_phase: Index of the open phase; -1 if none is.
    """
    place = place_of(device_id, seed)
    for index, phase in enumerate(phases[: open_phase + 1]):
        select = phase.select
        if select.percent is not None and place * _BASIS_POINTS >> 64 < select.basis_points:
            return index
        if select.class_id is not None and select.class_id == class_id:
            return index
        if select.count is not None and index == open_phase:
            return index
    return None


def rank_ranges(
    phases: Sequence[Phase], seed: str, open_phase: int
) -> tuple[tuple[int, int], ...] | None:
    """The ranks that the phases up to the open one reach, as ranges without their ends.

    None where the phases reach devices of any rank. Storage can look for these alone; whoever reads
    decides each device by `phase_of` all the same.
    """
    opened = phases[: open_phase + 1]
    if any(phase.select.percent is None for phase in opened):
        return None
    most = max((phase.select.basis_points for phase in opened), default=0)
    if most >= _BASIS_POINTS:
        return None
    start, width = _offset(seed), -(-most * PLACES // _BASIS_POINTS)
    end = start + width
    if end <= PLACES:
        return ((start, end),)
    return ((start, PLACES), (0, end - PLACES))


def rank_text(rank: int) -> str:
    """A rank as text of 16 digits, whose order is that of ranks."""
    return f"{rank:016x}"


@lru_cache(maxsize=256)
def _offset(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
