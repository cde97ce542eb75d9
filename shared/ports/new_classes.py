"""Device classes that are new, and the devices that wait because too many were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.fleet.device_class import DeviceClass


@dataclass(frozen=True, slots=True)
class HeldDevice:
    """A device or module that waits until its class may be new; `since` is ISO 8601, UTC."""

    device_id: str
    module_id: str | None
    class_id: str
    since: str


class NewClasses(Protocol):
    """The classes of an instance as they come."""

    async def is_known(self, instance: str, class_id: str) -> bool: ...

    async def add(self, instance: str, device_class: DeviceClass) -> None:
        """Make a class known, before a device of it is written; nothing happens if it is."""
        ...

    async def count(self, instance: str, since: str, up_to: int) -> int:
        """How many became known since a time, counted no further than `up_to`."""
        ...

    async def hold(self, instance: str, device: HeldDevice) -> None:
        """Note that a device waits, whatever was noted of it before."""
        ...

    async def held(self, instance: str, size: int) -> Sequence[HeldDevice]:
        """Devices that wait, no more than `size`."""
        ...

    async def release(self, instance: str, device_id: str, module_id: str | None) -> None:
        """Forget that a device waits; nothing happens if it does not."""
        ...
