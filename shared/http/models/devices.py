"""Devices, what they reported and their histories."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.http.models.common import Count, DeviceState, Model, UpdateInfo


class StepResult(Model):
    """Result of one step on a device."""

    result_code: int
    extended_result_code: int
    result_details: str | None = None


class InstallResult(Model):
    """Result of the last installation on a device."""

    result_code: int
    extended_result_code: int
    result_details: str | None = None
    step_results: list[StepResult] | None = None


class DeviceFailure(Model):
    """Why a device has failed; `code` is its extended result code, eight hexadecimal digits."""

    code: str
    message: str
    next_step: str


class FailureCount(DeviceFailure, kw_only=True):
    """How many devices have failed with a code, or with one of its kind."""

    device_count: Count


class Installation(Model):
    """What became of an update on a device.

    Without a deployment the device has merely reported the update as installed.
    """

    update: UpdateInfo
    state: DeviceState
    retry_count: Count
    deployment_id: str | None = None
    group_id: str | None = None
    started_date_time: str | None = None
    ended_date_time: str | None = None
    result_code: int | None = None
    failure: DeviceFailure | None = None


class Device(Model):
    """A device or module whose agent takes updates; what follows `lastInstallResult` is additional.

    `failure` says why it failed in its last deployment, `lastContactDateTime` when it last reported
    something about updates, `isConnected` whether it is connected, where the hub has told.
    """

    device_id: str
    device_class_id: str
    group_id: str
    on_latest_update: bool
    module_id: str | None = None
    last_attempted_update: UpdateInfo | None = None
    deployment_status: DeviceState | None = None
    installed_update: UpdateInfo | None = None
    last_deployment_id: str | None = None
    last_install_result: InstallResult | None = None
    failure: DeviceFailure | None = None
    last_contact_date_time: str | None = None
    is_connected: bool | None = None


class DeviceWorkflow(Model):
    """What a device works on: its workflow, the deployment, and the last that is known of it.

    `phase` is the index of the phase in which it was asked, or `late`; `isCancel` that it was told
    to stop and has not said yet that it has.
    """

    id: str
    deployment_id: str
    update: UpdateInfo
    retry_count: Count
    is_cancel: bool
    since_date_time: str | None = None
    phase: str | None = None


class DeviceDetails(Device, kw_only=True):
    """A device with everything that the service knows of it; what is more than a list has is
    additional.

    `tags` are those of its twin that the service heeds, `deviceProperties` what its agent reports
    about itself, `compatProperties` those of them that make its class. `workflow` is there while a
    deployment is in progress on it.
    """

    tags: dict[str, str]
    compat_properties: dict[str, str]
    device_properties: dict[str, str]
    health: Literal["healthy", "unhealthy"] | None = None
    workflow: DeviceWorkflow | None = None
    connection_changed_date_time: str | None = None
    agent_started_date_time: str | None = None


class DeviceRef(Model):
    """Names a device or module."""

    device_id: Annotated[str, Meta(min_length=1, max_length=128)]
    module_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class LogDeviceCounts(Model):
    """Devices of a log collection by how far each is. Additional."""

    not_started: Count
    running: Count
    succeeded: Count
    failed: Count


class LogCollection(Model):
    """A collection of diagnostic logs from devices. `deviceCounts` is additional."""

    device_list: Annotated[list[DeviceRef], Meta(min_length=1, max_length=100)]
    operation_id: str | None = None
    description: Annotated[str, Meta(max_length=512)] | None = None
    created_date_time: str | None = None
    last_action_date_time: str | None = None
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"] | None = None
    device_counts: LogDeviceCounts | None = None


class LogCollectionDeviceStatus(Model):
    """How the log collection stands on one device."""

    device_id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    module_id: str | None = None
    result_code: str | None = None
    extended_result_code: str | None = None
    log_location: str | None = None


class LogFile(Model):
    """A log that a device has uploaded; `link` opens it for an hour."""

    device_id: str
    file_name: str
    last_modified_date_time: str
    link: str
    module_id: str | None = None


class LogCollectionDetailedStatus(Model):
    """A log collection, device by device."""

    operation_id: str
    created_date_time: str
    last_action_date_time: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    device_status: list[LogCollectionDeviceStatus]
    description: str | None = None


class HealthCheck(Model):
    """One thing that was looked at."""

    name: str
    result: Literal["success", "userError"]


class DeviceHealth(Model):
    """Whether a device can take updates, and if not, why."""

    device_id: str
    state: Literal["healthy", "unhealthy"]
    health_checks: list[HealthCheck]
    module_id: str | None = None
    digital_twin_model_id: str | None = None


class DeviceCount(Model):
    """How many devices a filter selects, as of `countedDateTime`.

    Without `deviceCount` counters do not tell; without `countedDateTime` nothing was summed up yet.
    """

    device_count: Count | None = None
    counted_date_time: str | None = None


class ExportRequest(Model):
    """Which devices to export; without a filter all. `format` is that of the file."""

    filter: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    format: Literal["csv", "parquet"] = "csv"


class Export(Model):
    """What an export is about; `deviceCount` of the devices are written."""

    format: Literal["csv", "parquet"]
    device_count: Count
    filter: str | None = None


class ExportedFile(Export, kw_only=True):
    """The file of an export that has ended; `link` opens it for an hour."""

    link: str
    size_in_bytes: Count
