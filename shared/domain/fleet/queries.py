"""What lists of devices and groups can be asked for: filters and orders, as values.

Their text form is read in `shared/http/filters.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.failure import counted_as
from shared.domain.fleet.health import UNHEALTHY
from shared.domain.fleet.listing import Selection
from shared.domain.updates.update_id import UpdateId


class Condition(StrEnum):
    """What can be wrong with a device, by its name in filters."""

    STUCK = "Stuck"
    """It works on a deployment and has said nothing about it for a day or longer."""
    SILENT = "Silent"
    """It is not known to be connected and has reported nothing for a week."""
    UNHEALTHY = "Unhealthy"
    """It does not pass the checks of `health`."""


STUCK_DAYS = 1
SILENT_DAYS = 7


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices to list: those that meet every part.

    `never_deployed` asks for those without any deployment, `nothing_installed` for those without an
    update. `heard_before` is an instant; devices that were never heard of are not before it.
    """

    group: str | None = None
    class_id: str | None = None
    state: DeviceState | None = None
    never_deployed: bool = False
    failure_code: int | None = None
    installed: UpdateId | None = None
    nothing_installed: bool = False
    is_on_latest: bool | None = None
    heard_before: str | None = None
    is_connected: bool | None = None
    condition: Condition | None = None
    id_prefix: str = ""


def days_before(now: str, days: int) -> str:
    """The day so many days before an instant, as ISO 8601: what counters by day are cut at."""
    return (datetime.fromisoformat(now) - timedelta(days=days)).date().isoformat()


def selection(wanted: DeviceFilter, now: str, latest: Mapping[str, UpdateId | None]) -> Selection:
    """What a filter means at a time.

    Args:
        wanted: The filter.
        now: ISO 8601, UTC.
        latest: The best update of each class, for a filter that asks for it.
    """
    columns = {name: value for name, value in _columns(wanted).items() if value is not None}
    heard, working = wanted.heard_before, None
    if wanted.condition is Condition.STUCK:
        working = days_before(now, STUCK_DAYS)
    elif wanted.condition is Condition.SILENT:
        heard = min(days_before(now, SILENT_DAYS), heard or "~")
    return Selection(
        columns,
        id_prefix=wanted.id_prefix,
        heard_before=heard,
        working_before=working,
        may_be_connected=wanted.condition is not Condition.SILENT,
        failure_code=wanted.failure_code,
        is_on_latest=wanted.is_on_latest,
        latest=latest,
    )


def _columns(wanted: DeviceFilter) -> dict[str, str | None]:
    connected = {None: None, True: "yes", False: "no"}[wanted.is_connected]
    code, installed = wanted.failure_code, wanted.installed
    if wanted.nothing_installed:
        update: str | None = ""
    else:
        update = str(installed) if installed else None
    return {
        "group": wanted.group,
        "class": wanted.class_id,
        "state": "" if wanted.never_deployed else wanted.state,
        "health": UNHEALTHY if wanted.condition is Condition.UNHEALTHY else None,
        "failure": None if code is None else counted_as([code]),
        "installed": update,
        "connected": connected,
    }


@dataclass(frozen=True, slots=True)
class LogFileFilter:
    """Which logs of a collection to list; without a module, those of a device and all of its."""

    device_id: str | None = None
    module_id: str | None = None

    def has(self, device_id: str, module_id: str | None) -> bool:
        """Whether the logs of a device or module are among them."""
        return self.device_id in (None, device_id) and self.module_id in (None, module_id)


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
