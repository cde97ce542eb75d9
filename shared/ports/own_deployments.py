"""Which devices were given deployments of their own, by update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.updates.update_id import UpdateId
from shared.ports.common import Page


@dataclass(frozen=True, slots=True)
class OwnNote:
    """That a device or module was given a deployment of its own, of an update, and when that was
    last known; `at` is ISO 8601, UTC. Whether it still has it stands in the device's row alone.
    """

    update_id: UpdateId
    device_id: str
    module_id: str | None
    at: str


class OwnDeployments(Protocol):
    """Notes beside the rows of devices, so that nobody has to look through a fleet for them."""

    async def note(self, instance: str, note: OwnNote) -> None:
        """Write a note, before the device's row is."""
        ...

    async def notes(
        self, instance: str, update_id: UpdateId | None, token: str | None = None
    ) -> Page[OwnNote]:
        """Some notes of an update, or of all."""
        ...

    async def forget(self, instance: str, note: OwnNote) -> None:
        """Remove a note; nothing happens if there is none."""
        ...
