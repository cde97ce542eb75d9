"""Groups, device classes and roll-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from shared.domain.fleet.counters import Counts
    from shared.domain.fleet.device_class import DeviceClass
    from shared.domain.fleet.kept import Kept
    from shared.domain.fleet.whereabouts import Whereabouts
    from shared.domain.updates.update_id import UpdateId
    from shared.ports.common import Page


@dataclass(frozen=True, slots=True)
class KnownClass:
    """A device class that devices of the instance have reported.

    `is_best_known` says that `best_update` was looked for since the class was first heard of.
    """

    device_class: DeviceClass
    created_at: str
    friendly_name: str | None = None
    best_update: UpdateId | None = None
    is_best_known: bool = False


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group that devices of the instance belong or belonged to."""

    group_id: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counters of a group summed over its buckets, by group and class, as of a time.

    `still_since` is the first of the sums in a row that are equal to this one, `wake_at` when time
    alone may bring something, empty for never, `judged_by` a fingerprint of the deployments as they
    were then. `is_quiet` says that few devices had changed since the sum before. `where` says in
    which buckets they count something, None where nobody wrote that down; `kept` which devices are
    kept together (`GroupMembers`), `kept_before` which others may still be.
    """

    counts: Counts
    as_of: str
    buckets: int = 0
    still_since: str = ""
    wake_at: str = ""
    judged_by: str = ""
    is_quiet: bool = False
    where: Whereabouts | None = None
    kept: Kept | None = None
    kept_before: Kept | None = None

    @property
    def devices(self) -> int:
        """How many devices there are."""
        from shared.domain.fleet.counters import TOTAL

        return sum(cells.get(TOTAL, 0) for cells in self.counts.values())


@dataclass(frozen=True, slots=True)
class LastRollup:
    """When a group was summed up last, over how many buckets and, where that is known, devices, and
    since when nothing changed; the rest as in a `Rollup`.
    """

    as_of: str
    buckets: int
    still_since: str = ""
    wake_at: str = ""
    judged_by: str = ""
    is_quiet: bool = False
    devices: int | None = None
    kept: Kept | None = None


class Fleet(Protocol):
    """Groups, classes and the buckets that a group has devices in; all derived from devices."""

    async def ensure_known(
        self, instance: str, group: str, bucket: int, device_class: DeviceClass
    ) -> bool:
        """Make group, class and bucket known before a device of theirs is written; True if new."""
        ...

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        """Every bucket that has or had a device of the group."""
        ...

    async def is_indexed(self, instance: str) -> bool:
        """Whether every device has its row in the lists: not yet after an upgrade, until every
        bucket was recounted.
        """
        ...

    async def set_indexed(self, instance: str) -> None:
        """Note that every device has its row in the lists."""
        ...

    async def groups(
        self, instance: str, *, with_deleted: bool = False
    ) -> Sequence[KnownGroup]: ...

    async def classes(
        self, instance: str, *, with_deleted: bool = False
    ) -> Sequence[KnownClass]: ...

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None: ...

    async def delete_class(self, instance: str, class_id: str) -> None:
        """Hide a class until `revive` finds devices of it."""
        ...

    async def delete_group(self, instance: str, group: str) -> None:
        """Hide a group and drop its roll-up until `revive` finds devices of it."""
        ...

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        """Hide a class of a group until `revive` finds devices of it."""
        ...

    async def revive(self, instance: str, group: str, present: Set[str]) -> Set[str] | None:
        """Bring back what was deleted and has devices again, without its history.

        Args:
            instance: The instance.
            group: A group.
            present: Ids of the classes that it has devices of.

        Returns:
            The classes that stay deleted in the group; None if the group itself does.
        """
        ...

    async def class_page(
        self, instance: str, friendly_name: str | None, *, token: str | None, size: int
    ) -> Page[KnownClass]:
        """One page of the classes, or of those with a friendly name."""
        ...

    async def set_best_update(
        self, instance: str, class_id: str, best: UpdateId | None
    ) -> None: ...

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        """Store a roll-up, unless a newer one is there. Raises ConcurrentUpdate."""
        ...

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        """Roll-ups by group: of one, or of all."""
        ...

    async def last_rollup(self, instance: str, group: str) -> LastRollup | None:
        """What is known of the last roll-up of a group, without its counters."""
        ...

    async def drop_rollup(self, instance: str, group: str) -> None: ...
