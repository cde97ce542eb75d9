"""What a device reports that makes its class."""

from __future__ import annotations

from typing import Any

from shared.domain.fleet.device import DeviceRecord

_MAKES_THE_CLASS = ("agent.deviceProperties", "agent.compatPropertyNames")


def reports_as_before(before: DeviceRecord, after: DeviceRecord) -> bool:
    """Whether what makes the class of a device is the same after a change: told without making it,
    for every change is asked.
    """
    return _class_registers(before) == _class_registers(after)


def _class_registers(record: DeviceRecord) -> dict[str, Any]:
    return {
        path: value
        for path, (_, value) in record.registers.items()
        if path.startswith(_MAKES_THE_CLASS)
    }
