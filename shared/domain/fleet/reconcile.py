"""What a device's twin should ask for, from its group, its class and the deployments in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.contract.codes import Erc
from shared.domain.fleet.deployment import Commanded, Deployment, Issue, in_force, precedence
from shared.domain.fleet.device import DeviceRecord, DeviceState, evidence_of, view


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
    if is_current and current is not None:
        return _again(record, current, subgroup.retry_timestamp, deployment.issue)
    if _has_gone_further(current, deployment, class_id):
        return None
    return Commanded(
        workflow_id=deployment.workflow_id,
        retry_timestamp=None,
        is_cancel=False,
        deployment_id=deployment.deployment_id,
        group_id=seen.group_id,
        class_id=class_id,
        update_id=deployment.update_id,
        issue=deployment.issue,
        precedence=precedence(deployment),
    )


def _has_gone_further(current: Commanded | None, deployment: Deployment, class_id: str) -> bool:
    """Whether a newer deployment, forgotten since, took the device beyond this one."""
    if current is None or (current.group_id, current.class_id) != (deployment.group_id, class_id):
        return False
    return current.precedence > precedence(deployment)


def _again(
    record: DeviceRecord, current: Commanded, retry: str | None, issue: Issue
) -> Commanded | None:
    """The same once more: as a retry after a failure, or with a newer signature meanwhile."""
    state = view(record).state
    if current.is_cancel:
        return None
    if current.retry_timestamp != retry and state in (DeviceState.FAILED, DeviceState.CANCELED):
        count = current.retry_count + 1
        return replace(current, retry_timestamp=retry, retry_count=count, issue=issue)
    if current.issue != issue and (state is DeviceState.IN_PROGRESS or _refused_key(record)):
        return replace(current, issue=issue)
    return None


def _refused_key(record: DeviceRecord) -> bool:
    """Whether the device failed for no other reason than that the signing key was revoked."""
    known = evidence_of(record)
    return known is not None and Erc.SIGNING_KEY_DISABLED in known.extended_result_codes


def _cancelled(record: DeviceRecord, current: Commanded | None) -> Commanded | None:
    if current is None or current.is_cancel:
        return None
    if view(record).state is not DeviceState.IN_PROGRESS:
        return None
    return replace(current, is_cancel=True)
