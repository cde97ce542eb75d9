"""Devices of groups, kept together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.fleet.kept import Kept
    from shared.domain.fleet.listing import ListedDevice, Selection


class GroupMembers(Protocol):
    """Copies of devices of groups as lists show them, as of a roll-up: apart by what is kept."""

    async def replace(
        self, instance: str, group: str, kept: Kept, as_of: str, devices: Sequence[ListedDevice]
    ) -> None:
        """Have these devices be the copies, unless newer ones are written.

        Raises:
            ConcurrentUpdate: Somebody else writes them.
        """
        ...

    async def drop(self, instance: str, group: str, kept: Kept) -> None:
        """Remove what is not kept any more."""
        ...

    async def find(
        self,
        instance: str,
        group: str,
        kept: Kept,
        wanted: Selection,
        *,
        after: str,
        size: int,
    ) -> Sequence[ListedDevice]:
        """The next `size` of them, or all that are left, after a device's key, by their keys."""
        ...
