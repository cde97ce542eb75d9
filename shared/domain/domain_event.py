"""What an event for the systems of customers is; `event_catalog` has all that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """Types of domain events, as subscriptions select them."""

    UPDATE_IMPORTED = "OpenDeviceUpdate.UpdateImported"
    UPDATE_REFUSED = "OpenDeviceUpdate.UpdateRefused"
    UPDATE_RECALLED = "OpenDeviceUpdate.UpdateRecalled"
    DEPLOYMENT_STARTED = "OpenDeviceUpdate.DeploymentStarted"
    DEPLOYMENT_FINISHED = "OpenDeviceUpdate.DeploymentFinished"
    DEPLOYMENT_CANCELED = "OpenDeviceUpdate.DeploymentCanceled"
    ROLLOUT_CHANGED = "OpenDeviceUpdate.RolloutChanged"
    DEVICE_SUCCEEDED = "OpenDeviceUpdate.DeviceSucceeded"
    DEVICE_FAILED = "OpenDeviceUpdate.DeviceFailed"


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """One fact. The same fact always has the same identity.

    `subject` is a path below the instance's in the REST API, `at` is ISO 8601, UTC.
    """

    identity: str
    kind: EventKind
    subject: str
    at: str
    data: Mapping[str, Any]
