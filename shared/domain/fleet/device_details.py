"""What is known of one device beside what lists show: its tags and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.registers import section


@dataclass(frozen=True, slots=True)
class DeviceDetails:
    """Names and values: of its twin's tags that the service keeps, of the properties that make its
    class, and of all that its agent reports about the device.
    """

    tags: Mapping[str, str]
    compat_properties: Mapping[str, str]
    device_properties: Mapping[str, str]


def details_of(record: DeviceRecord) -> DeviceDetails:
    """The details of a device."""
    content, device_class = section(record.registers), view(record).device_class
    agent = content.get("agent")
    reported = agent.get("deviceProperties") if isinstance(agent, Mapping) else None
    return DeviceDetails(
        tags=_texts(content.get("tags")),
        compat_properties=device_class.properties if device_class else {},
        device_properties=_texts(reported),
    )


def _texts(found: Any) -> dict[str, str]:
    """The members that are plain values, as text; markers of the wire format begin with `__`."""
    if not isinstance(found, Mapping):
        return {}
    return {
        name: value if isinstance(value, str) else str(value)
        for name, value in found.items()
        if isinstance(value, (str, int, float)) and not name.startswith("__")
    }
