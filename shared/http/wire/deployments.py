"""Deployments and how they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from shared.domain.fleet.compliance import StateCounts
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.http import models
from shared.http.models.rollouts import Rollout
from shared.http.wire.common import update_info
from shared.http.wire.devices import failures


def deployment(
    item: Deployment,
    class_ids: list[str],
    subgroup: str | None = None,
    *,
    rollout: Rollout | None = None,
) -> models.Deployment:
    """A deployment; of a whole group it is cancelled when it is so for every class."""
    chosen = [item.subgroup(class_id) for class_id in ([subgroup] if subgroup else class_ids)]
    return models.Deployment(
        deployment_id=item.deployment_id,
        group_id=item.group_id,
        start_date_time=item.starts_at,
        update=update_info(item.update_id),
        device_class_subgroups=class_ids,
        is_canceled=(bool(chosen) and all(one.is_canceled for one in chosen)) or None,
        is_retried=any(one.retry_timestamp is not None for one in chosen) or None,
        rollback_policy=_rollback_policy(item.rollback_policy) if item.rollback_policy else None,
        is_cloud_initiated_rollback=item.is_rollback,
        recall_reason=item.recall_reason,
        warnings=list(item.warnings) or None,
        etag=deployment_etag(item),
        revision=item.revision,
        rollout=rollout,
    )


def deployment_etag(item: Deployment) -> str:
    """The ETag of a deployment: another for each revision, and after a deletion."""
    return f'"{item.revision}-{hashlib.sha256(item.workflow_id.encode()).hexdigest()[:12]}"'


def _rollback_policy(policy: RollbackPolicy) -> models.RollbackPolicy:
    return models.RollbackPolicy(
        update=update_info(policy.update_id),
        failure=models.RollbackFailure(
            devices_failed_percentage=policy.failed_percentage,
            devices_failed_count=policy.failed_count,
        ),
    )


def subgroup_status(
    item: Deployment,
    class_id: str,
    state: Any,
    counts: StateCounts,
    total: int,
    failed: Mapping[str, int],
) -> models.SubgroupDeploymentStatus:
    """How a deployment stands for one device class."""
    return models.SubgroupDeploymentStatus(
        group_id=item.group_id,
        device_class_id=class_id,
        deployment_state=state,
        total_devices=total,
        devices_in_progress_count=counts.in_progress,
        devices_completed_failed_count=counts.failed,
        devices_completed_succeeded_count=counts.succeeded,
        devices_canceled_count=counts.canceled,
        failures=failures(failed) or None,
    )
