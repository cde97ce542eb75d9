"""One device class by its id."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.ports import Fleet, KnownClass


async def known_class(fleet: Fleet, instance: str, class_id: str) -> KnownClass:
    """The device class of that id.

    Raises:
        NotFound: The instance has none.
    """
    for known in await fleet.classes(instance):
        if known.device_class.class_id == class_id:
            return known
    raise no_class(class_id)


def no_class(class_id: str) -> NotFound:
    """The answer where a device class is named that does not exist."""
    return NotFound(f"Device class '{class_id}' does not exist here.", target="deviceClassId")
