"""What passes of roll-outs over a bucket read and write down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.fleet.counters import Cell, Counts
    from shared.domain.fleet.device import DeviceRecord
    from shared.domain.fleet.kept import Kept
    from shared.domain.fleet.listing import ListedDevice
    from shared.ports.common import Page, Stored


@dataclass(frozen=True, slots=True)
class DueQuery:
    """Which devices of a group a pass for one deployment looks at, beside those whose twin may
    differ from their row: those that may be due (`unasked`), for they were not asked to run it or
    have ended without success, so that it may be asked again; and all that were asked and have not
    succeeded (`asked`).

    `ranks` are the ranks that the unasked are among (`rollouts.selection`), None for all. Rows that
    say nothing of workflow or rank, as earlier releases wrote them, are taken in.
    """

    group: str
    workflow_id: str
    ranks: tuple[tuple[int, int], ...] | None = None
    unasked: bool = True
    asked: bool = True


class Passes(Protocol):
    """The devices that passes look at, and the ledgers that they write, by bucket."""

    async def due(
        self, instance: str, bucket: int, query: DueQuery, *, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        """A page of the devices of a bucket that a pass looks at, perhaps with others."""
        ...

    async def ledger(self, instance: str, bucket: int, group: str) -> Stored[Mapping[Cell, int]]:
        """What passes have written down about a group; its ETag is empty if there is nothing."""
        ...

    async def save_ledger(
        self, instance: str, bucket: int, group: str, cells: Mapping[Cell, int], etag: str
    ) -> None:
        """Replace a ledger, guarded. Raises ConcurrentUpdate."""
        ...

    async def tally(
        self, instance: str, bucket: int, group: str
    ) -> tuple[Counts, Mapping[Cell, int]]:
        """The counters of one group in one bucket, and its ledger, read before them."""
        ...

    async def tally_with_devices(
        self, instance: str, bucket: int, group: str, kept: Kept
    ) -> tuple[Counts, Mapping[Cell, int], Sequence[ListedDevice]]:
        """The same, and those devices of the group that are kept together, as lists show them."""
        ...


class HubBudget(Protocol):
    """The timeline of commands to an instance's hub, shared by all processes."""

    async def reserve(self, instance: str, seconds: float) -> float:
        """Take the next free stretch of the timeline; in how many seconds it begins."""
        ...
