"""A fleet of devices of every kind that a list can select."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.device import DeviceRecord, DeviceState, fold_connection
from shared.domain.fleet.queries import Condition, DeviceFilter
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_record,
    busy,
    failed,
    started,
    succeeded,
)

NOW = "2024-05-20T12:00:00.000000+00:00"

FILTERS = [
    DeviceFilter(),
    DeviceFilter(state=DeviceState.FAILED),
    DeviceFilter(state=DeviceState.IN_PROGRESS),
    DeviceFilter(never_deployed=True),
    DeviceFilter(failure_code=0),
    DeviceFilter(failure_code=0x30101001),
    DeviceFilter(installed=V2),
    DeviceFilter(nothing_installed=True),
    DeviceFilter(is_on_latest=True),
    DeviceFilter(is_on_latest=False),
    DeviceFilter(heard_before="2024-05-05T00:00:00.000000+00:00"),
    DeviceFilter(is_connected=True),
    DeviceFilter(is_connected=False),
    DeviceFilter(condition=Condition.SILENT),
    DeviceFilter(condition=Condition.STUCK),
    DeviceFilter(condition=Condition.UNHEALTHY),
    DeviceFilter(id_prefix="dev-1"),
    DeviceFilter(
        id_prefix="dev-", state=DeviceState.FAILED, is_connected=False, is_on_latest=False
    ),
]
"""Every part of a filter by itself, and several together."""


def a_fleet(count: int, group: str, first: int = 0) -> list[DeviceRecord]:
    """Devices of a group, of every kind in turn; each fifth is a module."""
    return [_device(number, group) for number in range(first, first + count)]


def within(wanted: DeviceFilter, group: str | None) -> DeviceFilter:
    """A filter within a group."""
    return replace(wanted, group=group)


def _device(number: int, group: str) -> DeviceRecord:
    name, module = f"dev-{number}", "updater" if number % 5 == 4 else None
    report = [started(), busy(), failed(), succeeded(), succeeded(V1)][number % 5]
    at = f"2024-05-{1 + number % 19:02d}T00:00:00.000000+00:00"
    model = "gate" if number % 7 == 0 else "kiosk"
    changes = [
        a_change(1, started(model), group=group, device_id=name, module_id=module, at=at),
        a_change(2, report, device_id=name, module_id=module, at=at),
    ]
    is_asked = number % 5 in (1, 2, 3)
    record = a_record(*changes, commanded=a_command(group_id=group) if is_asked else None)
    if number % 3:
        return record
    return fold_connection(record, is_connected=number % 2 == 0, sequence_number="1", at=at)
