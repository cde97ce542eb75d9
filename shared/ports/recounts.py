"""What a recount reads and puts right, and where it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.fleet.counters import Cell, CounterKey, History
    from shared.domain.fleet.device import DeviceRecord
    from shared.domain.fleet.listing import ListedDevice, ListedPlace
    from shared.domain.fleet.recount import Recounted
    from shared.ports.common import Page, Stored


@dataclass(frozen=True, slots=True)
class Correction:
    """What a row of counters should hold; `found` is the row as it was read, None if absent."""

    place: CounterKey
    found: Stored[Mapping[Cell, int]] | None
    counted: Mapping[Cell, int]


class Counters(Protocol):
    """The rows of counters of a bucket, and the rows that only counters need."""

    async def counter_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        """Every row of counters."""
        ...

    async def listed_in(
        self, instance: str, bucket: int
    ) -> Mapping[ListedPlace, Stored[ListedDevice]]:
        """Every row of the lists of groups."""
        ...

    async def index(
        self,
        instance: str,
        bucket: int,
        devices: Sequence[Stored[DeviceRecord]],
        stale: Mapping[ListedPlace, Stored[ListedDevice]],
    ) -> None:
        """Write devices as they are with their rows in the lists, and remove stale rows of lists.

        Raises:
            ConcurrentUpdate: Something changed since it was read.
        """
        ...

    async def ledger_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        """The ledgers of roll-outs in a bucket, with their ETags."""
        ...

    async def histories(
        self, instance: str, bucket: int, *, token: str | None = None
    ) -> Page[Stored[History]]:
        """What devices left behind in deployments that they moved on from."""
        ...

    async def correct(self, instance: str, bucket: int, corrections: Sequence[Correction]) -> None:
        """Put counters right; a row that counts nothing goes.

        Raises:
            ConcurrentUpdate: A row changed since it was read, and so perhaps what it counts.
        """
        ...

    async def forget(
        self, instance: str, bucket: int, histories: Sequence[Stored[History]]
    ) -> None:
        """Delete history rows with what they add to the counters.

        Raises:
            ConcurrentUpdate: Something changed meanwhile.
        """
        ...

    async def drop(
        self, instance: str, bucket: int, devices: Sequence[Stored[DeviceRecord]]
    ) -> None:
        """Delete rows of devices that add nothing to the counters.

        Raises:
            ConcurrentUpdate: Something changed meanwhile.
        """
        ...


class Recounts(Protocol):
    """Reports of recounts, the last one of each bucket."""

    async def save(self, instance: str, report: Recounted) -> None: ...

    async def get(self, instance: str, bucket: int) -> Recounted | None: ...

    async def list(self, instance: str) -> Sequence[Recounted]: ...
