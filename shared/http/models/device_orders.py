"""The JSON objects of orders for one device and of explanations; all are additional."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from shared.domain.fleet.device import DeviceState
from shared.domain.rollouts.specification import MAX_WINDOWS, Window
from shared.http.models.common import Model, UpdateInfo
from shared.http.models.rollouts import Remark


class DeviceDeploymentInput(Model):
    """A deployment for one device, at once unless `startDateTime` says when.

    `windows` say when the device may be asked; a command not begun at their end is withdrawn. A
    window that the device has of its own counts as well, unless `ignoreDeviceWindow`.
    """

    update: UpdateInfo
    start_date_time: str | None = None
    windows: Annotated[tuple[Window, ...], Meta(max_length=MAX_WINDOWS)] = ()
    ignore_device_window: bool = False


class DeviceDeployment(Model):
    """A deployment that one device was given: it goes before all of its groups, until its update is
    recalled (`recallReason`). `isUpdateDeleted` says that there is no such update any more.
    """

    deployment_id: str
    update: UpdateInfo
    start_date_time: str
    created_date_time: str
    recall_reason: str | None = None
    is_update_deleted: bool | None = None
    warnings: list[str] | None = None
    windows: tuple[Window, ...] = ()
    ignore_device_window: bool = False


class DeploymentOfDevice(Model):
    """A device with a deployment of its own. One that is not `isInForce` was cancelled, the device
    excluded or the update recalled; `deviceState` is left out where it has not asked the device.
    """

    device_id: str
    deployment: DeviceDeployment
    is_in_force: bool
    module_id: str | None = None
    device_state: DeviceState | None = None


class OrderInput(Model):
    """Why; for people."""

    reason: Remark = ""


class DeviceOrder(Model):
    """What was ordered for one device. `deploymentId` is `*` where it is excluded from everything,
    and left out where the deployment is gone.
    """

    kind: Literal["Cancel", "Retry", "Exclude"]
    ordered_date_time: str
    deployment_id: str | None = None
    ordered_by: str | None = None
    reason: str | None = None


class DeviceOrders(Model):
    """What stands ordered for one device."""

    orders: list[DeviceOrder]
    deployments: list[DeviceDeployment]


class ExplanationReason(Model):
    """One reason: a stable code, a sentence, what it is made of. The one that `decides` is marked;
    `until` is when it ends by itself.
    """

    code: Annotated[str, Meta(min_length=1)]
    message: str
    decides: bool = False
    data: dict[str, Any] | None = None
    until: str | None = None


class Explanation(Model):
    """Why a device has, will get or will not get an update; `update` is left out where nothing is
    decided about any.
    """

    verdict: Literal["Has", "WillGet", "InProgress", "Waits", "WillNot", "Failed"]
    reasons: list[ExplanationReason]
    as_of: str
    update: UpdateInfo | None = None
