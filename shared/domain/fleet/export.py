"""Exports of lists of devices: one row a device, its columns and their kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.domain.export_order import Export
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.failure import failure_of
from shared.domain.fleet.listing import ListedDevice

type Kind = Literal["text", "number", "flag", "time"]
"""Of a column: a time is ISO 8601 in UTC."""
type Value = str | int | bool | None
type Row = Sequence[Value]

COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("deviceId", "text"),
    ("moduleId", "text"),
    ("groupId", "text"),
    ("deviceClassId", "text"),
    ("installedUpdate", "text"),
    ("onLatestUpdate", "flag"),
    ("lastAttemptedUpdate", "text"),
    ("lastDeploymentId", "text"),
    ("deploymentStatus", "text"),
    ("resultCode", "number"),
    ("failureCode", "text"),
    ("failureMessage", "text"),
    ("workingSinceDateTime", "time"),
    ("lastContactDateTime", "time"),
    ("isConnected", "flag"),
    ("health", "text"),
)
"""Names and kinds, in their order: docs/operating.md describes them. New ones are added behind."""

LINK_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A finished file, and an address that opens it for `LINK_HOURS`."""

    export: Export
    url: str
    size_bytes: int


def row_of(device: ListedDevice, *, is_on_latest: bool) -> Row:
    """A device as a row of `COLUMNS`."""
    has_failed = device.state is DeviceState.FAILED
    failure = failure_of(device.failure_codes, device.refusal) if has_failed else None
    return (
        device.device_id,
        device.module_id,
        device.group_id,
        device.class_id,
        str(device.installed) if device.installed else None,
        is_on_latest,
        str(device.attempted) if device.attempted else None,
        device.deployment_id,
        device.state.value if device.state else None,
        device.result.code if device.result else None,
        failure.code if failure else None,
        failure.message if failure else None,
        device.working_since or None,
        device.heard_at or None,
        device.is_connected,
        device.health or None,
    )
