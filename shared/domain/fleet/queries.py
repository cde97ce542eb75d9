"""What lists of devices and groups can be asked for: filters and orders, as values.

Their text form is read in `shared/http/filters.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.fleet.device import DeviceState


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices to list. `never_deployed` asks for those without any deployment."""

    group: str | None = None
    class_id: str | None = None
    state: DeviceState | None = None
    never_deployed: bool = False


@dataclass(frozen=True, slots=True)
class DeviceStateFilter:
    """Which devices of a deployment to list; without a module, a device comes with all of its."""

    device_id: str | None = None
    module_id: str | None = None
    state: DeviceState | None = None


@dataclass(frozen=True, slots=True)
class HealthFilter:
    """Which devices' health to list: one device's, or that of all unhealthy ones."""

    device_id: str | None = None
    module_id: str | None = None


class GroupOrder(StrEnum):
    """What groups can be ordered by."""

    GROUP_ID = "groupId"
    DEVICE_COUNT = "deviceCount"
    CREATED = "createdDate"
    NEW_UPDATES = "subgroupsWithNewUpdatesAvailableCount"
    IN_PROGRESS = "subgroupsWithUpdatesInProgressCount"
    ON_LATEST = "subgroupsOnLatestUpdateCount"


@dataclass(frozen=True, slots=True)
class GroupOrdering:
    """An order of groups."""

    by: GroupOrder = GroupOrder.GROUP_ID
    is_descending: bool = False
