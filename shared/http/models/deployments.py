"""Deployments and how they stand."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.http.models.common import Count, DeviceState, Error, Model, SubgroupState, UpdateInfo
from shared.http.models.devices import DeviceFailure, FailureCount
from shared.http.models.rollouts import Rollout


class RollbackFailure(Model):
    """When too many devices have failed: both thresholds are reached."""

    devices_failed_percentage: Annotated[int, Meta(ge=0, le=100)]
    devices_failed_count: Annotated[int, Meta(ge=0)]


class RollbackPolicy(Model):
    """The update to go back to when too many devices fail."""

    update: UpdateInfo
    failure: RollbackFailure


class Deployment(Model):
    """An update for a group."""

    deployment_id: Annotated[str, Meta(min_length=1, max_length=73)]
    group_id: str
    start_date_time: str
    update: UpdateInfo
    device_class_subgroups: list[str] | None = None
    is_canceled: bool | None = None
    is_retried: bool | None = None
    rollback_policy: RollbackPolicy | None = None
    is_cloud_initiated_rollback: bool | None = None
    download_security: str | None = None
    recall_reason: str | None = None
    """Why the update was recalled, which has cancelled the deployment. Additional."""
    is_update_deleted: bool | None = None
    """The update was deleted since. Additional."""
    warnings: list[str] | None = None
    """Which agents the update cannot reach, and the like. Additional."""
    etag: str | None = None
    """Changes with `revision`. Additional, as that is."""
    revision: Annotated[int, Meta(ge=1)] | None = None
    """Counts what operators have asked for: specifications, edits and actions."""
    rollout: Rollout | None = None


class SubgroupDeploymentStatus(Model):
    """How a deployment stands on the devices of one class; `failures` is additional."""

    group_id: str
    device_class_id: str
    deployment_state: SubgroupState
    total_devices: Count
    devices_in_progress_count: Count
    devices_completed_failed_count: Count
    devices_completed_succeeded_count: Count
    devices_canceled_count: Count
    error: Error | None = None
    failures: list[FailureCount] | None = None


class DeploymentStatus(Model):
    """How a deployment stands."""

    group_id: str
    deployment_state: Literal[
        "Active", "ActiveWithSubgroupFailures", "Failed", "Inactive", "Canceled"
    ]
    subgroup_status: list[SubgroupDeploymentStatus]
    error: Error | None = None


class DeploymentDeviceState(Model):
    """One device within a deployment; `failure` is additional."""

    device_id: str
    retry_count: Count
    moved_on_to_new_deployment: bool
    device_state: DeviceState
    module_id: str | None = None
    failure: DeviceFailure | None = None
