"""Device rows with the counters beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shared.domain.domain_event import DomainEvent
    from shared.domain.fleet.counters import Counts, History
    from shared.domain.fleet.device import DeviceRecord, DeviceView
    from shared.domain.fleet.device_history import Installation
    from shared.domain.fleet.listing import ListedDevice, Selection
    from shared.domain.rollouts.ledger import Booking
    from shared.ports.common import Page, Stored


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which rows of devices to read; None is any.

    `state` is the one within the last deployment, empty for devices that never had one. With a
    device id, the modules of the device come with it, and so may devices whose id begins alike.
    `health` is a state of `shared.domain.fleet.health`.
    """

    group: str | None = None
    class_id: str | None = None
    deployment_id: str | None = None
    state: str | None = None
    device_id: str | None = None
    health: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A history that a late report of its device changes."""

    before: Stored[History]
    after: History


@dataclass(frozen=True)  # no slots: it keeps what it has worked out
class DeviceWrite:
    """A device row to write: what was read (None if absent), what it becomes, what it leaves
    behind, what is to be told to customers, what it adds to or changes in the device's history, and
    the ask that is booked with it.
    """

    before: Stored[DeviceRecord] | None
    after: DeviceRecord
    history: History | None = None
    events: tuple[DomainEvent, ...] = ()
    installations: tuple[Installation, ...] = ()
    revisions: tuple[Revision, ...] = ()
    booking: Booking | None = None

    @cached_property
    def was(self) -> DeviceView | None:
        """What the device was before."""
        from shared.domain.fleet.device import view

        return view(self.before.value) if self.before else None

    @cached_property
    def becomes(self) -> DeviceView:
        """What the device is after."""
        from shared.domain.fleet.device import view

        return view(self.after)

    @cached_property
    def lists(self) -> ListedDevice | None:
        """The device as lists show it then."""
        from shared.domain.fleet.listing import listed

        return listed(self.after, self.becomes)

    @property
    def left_group(self) -> str | None:
        """The group whose lists it leaves; None if it stays or was in none."""
        was, stays = self.was, self.lists
        if was is None or was.device_class is None:
            return None
        return was.group_id if stays is None or stays.group_id != was.group_id else None


class Devices(Protocol):
    """Device rows with the counters beside them, by bucket."""

    async def load(
        self, instance: str, bucket: int, keys: Sequence[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """The rows of these devices, without those that have none."""
        ...

    def remembered(
        self, instance: str, bucket: int, keys: Iterable[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """The rows of these devices that this process has at hand, as it saw them last.

        A write over a stale one is refused, and the row is no longer at hand; that nothing is to be
        written can only be told from a row that was loaded.
        """
        ...

    async def commit(
        self, instance: str, bucket: int, writes: Sequence[DeviceWrite]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """Write rows, histories, events, counters and bookings, all or nothing for each device.

        The history row of a device that takes up a deployment again goes.

        Returns:
            The rows as they are now, by device.

        Raises:
            ConcurrentUpdate: Something changed since it was read, or a booking has no room any
                more; read again and retry.
        """
        ...

    async def of_bucket(
        self, instance: str, bucket: int, *, group: str | None = None, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        """The rows of a bucket, of one group if asked."""
        ...

    async def find(
        self, instance: str, bucket: int, query: DeviceQuery, *, after: str, size: int
    ) -> Sequence[Stored[DeviceRecord]]:
        """The next `size` rows of devices with a class, or all that are left, after a device's
        key (empty: from the first), in storage's order.
        """
        ...

    async def listed(
        self,
        instance: str,
        bucket: int,
        wanted: Selection,
        *,
        after: str,
        size: int,
        is_indexed: bool,
    ) -> Sequence[ListedDevice]:
        """The next `size` devices that a list has, or all that are left, after a device's key
        (empty: from the first), in storage's order; `is_indexed` is `Fleet.is_indexed`.
        """
        ...

    async def modules(
        self, instance: str, bucket: int, device_id: str
    ) -> Sequence[Stored[DeviceRecord]]:
        """The rows of all modules of a device; the hub allows 50."""
        ...

    async def history(
        self,
        instance: str,
        bucket: int,
        workflow_id: str,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Sequence[History]:
        """Devices of the bucket that have moved on from the deployment with the workflow; those
        after a device's key, and no more than `size`, if asked.
        """
        ...

    async def past(
        self, instance: str, bucket: int, workflow_id: str, device: str
    ) -> Stored[History] | None:
        """What a device of that key has left behind in the deployment with the workflow."""
        ...

    async def drop_installations(
        self, instance: str, bucket: int, before: str, *, size: int
    ) -> int:
        """Drop at most so many of a bucket that began before a day; how many were dropped."""
        ...

    async def installations(
        self, instance: str, bucket: int, device: str, *, after: str = "", size: int
    ) -> Sequence[Installation]:
        """What was installed on a device before, the newest first, after a position; what it was
        last asked for stands in its row alone.
        """
        ...

    async def counts(self, instance: str, bucket: int, group: str) -> Counts:
        """The counters of one group in one bucket."""
        ...

    async def events(self, instance: str, bucket: int, size: int) -> Sequence[DomainEvent]:
        """Events of devices of the bucket that are written down; no more than `size`."""
        ...

    async def forget_events(
        self, instance: str, bucket: int, events: Sequence[DomainEvent]
    ) -> None:
        """Remove events, at most a hundred.

        Raises:
            ConcurrentUpdate: Some of them were removed meanwhile.
        """
        ...
