"""What a device's twin should ask for, from its group, its class and the deployments in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.domain.deployment import Commanded, Deployment, in_force
from shared.domain.device import DeviceRecord, DeviceState, view


def wanted(record: DeviceRecord, deployments: Iterable[Deployment], now: str) -> Commanded | None:
    """The command that the device should have got; None to leave it as it is.

    Level-triggered: the answer depends on the present state only, so that lost, doubled or late
    triggers cannot make a wrong one last.

    Args:
        record: The device.
        deployments: All deployments of its group.
        now: ISO 8601, UTC.
    """
    seen = view(record)
    if seen.device_class is None:
        return None
    deployment = in_force(deployments, seen.device_class, now)
    if deployment is None:
        return None
    class_id = seen.device_class.class_id
    subgroup = deployment.subgroup(class_id)
    current = record.commanded
    is_current = current is not None and current.workflow_id == deployment.workflow_id
    if subgroup.is_canceled:
        return _cancelled(record, current) if is_current else None
    retry = subgroup.retry_timestamp
    if is_current and current is not None:
        if current.is_cancel or current.retry_timestamp == retry:
            return None
        if seen.state not in (DeviceState.FAILED, DeviceState.CANCELED):
            return None
        return replace(current, retry_timestamp=retry)
    return Commanded(
        workflow_id=deployment.workflow_id,
        retry_timestamp=None,
        is_cancel=False,
        deployment_id=deployment.deployment_id,
        group_id=seen.group_id,
        class_id=class_id,
        update_id=deployment.update_id,
    )


def _cancelled(record: DeviceRecord, current: Commanded | None) -> Commanded | None:
    if current is None or current.is_cancel:
        return None
    if view(record).state is not DeviceState.IN_PROGRESS:
        return None
    return replace(current, is_cancel=True)
