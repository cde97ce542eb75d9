"""The devices of small groups, kept together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.fleet.listing import ListedDevice, Selection


class GroupMembers(Protocol):
    """Copies of the devices of small groups as lists show them, as of a roll-up.

    The devices of a group lie in as many buckets as it has devices, up to all: together, a page of
    them is one read.
    """

    async def replace(
        self, instance: str, group: str, as_of: str, devices: Sequence[ListedDevice]
    ) -> None:
        """Have these devices be the members, unless newer ones are written.

        Raises:
            ConcurrentUpdate: Somebody else writes them.
        """
        ...

    async def drop(self, instance: str, group: str) -> None:
        """Remove the members of a group that is not small any more."""
        ...

    async def find(
        self, instance: str, group: str, wanted: Selection, *, after: str, size: int
    ) -> Sequence[ListedDevice]:
        """The next `size` members, or all that are left, after a device's key, by their keys."""
        ...
