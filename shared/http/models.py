"""The JSON objects of the REST API, one class each; the OpenAPI document is made from them.

Names, optionality and meaning are those of the published API (api-version 2022-10-01). Members that
the published API does not have are marked as additional.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.http.model import Count, Model
from shared.http.rollout_models import Rollout

type UpdateName = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9.-]+$")]
type DeviceState = Literal["Succeeded", "InProgress", "Canceled", "Failed"]
type SubgroupState = Literal["Active", "Failed", "Inactive", "Canceled"]
ImportType = Literal["Devices", "Modules", "All"]
"""Which identities of the hub's registry to read again."""


class InnerError(Model):
    """A more specific cause of an error."""

    code: str
    message: str | None = None
    error_detail: str | None = None
    inner_error: InnerError | None = None


type Target = Annotated[
    str,
    Meta(
        description=(
            "What is at fault. A place in the body, or in an import manifest, is a JSON pointer "
            "(empty for all of it); anything else is a name: of a parameter of path or query, of a "
            "header, of a file of the update, of a limit."
        )
    ),
]


class Error(Model):
    """What went wrong."""

    code: str
    message: str
    target: Target | None = None
    details: list[Error] | None = None
    innererror: InnerError | None = msgspec.field(default=None, name="innererror")
    occurred_date_time: str | None = None


class ErrorResponse(Model):
    """Body of every answer that is an error."""

    error: Error


class Page[T](Model):
    """One page of a listing; `nextLink` leads to the following one."""

    value: list[T]
    next_link: str | None = None


class UpdateId(Model):
    """Identity of an update."""

    provider: UpdateName
    name: UpdateName
    version: Annotated[str, Meta(min_length=3, max_length=64, pattern=r"^\d+(?:\.\d+){1,3}$")]


class UpdateInfo(Model):
    """An update as others refer to it."""

    update_id: UpdateId
    description: str | None = None
    friendly_name: str | None = None


class Instructions(Model):
    """The steps of an update, as in its import manifest."""

    steps: list[dict[str, Any]]


class UpdateRecall(Model):
    """Why an update was taken back. Additional."""

    reason: str
    recalled_date_time: str


class RecallInput(Model):
    """Why an update is to be taken back. Additional."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


class Update(Model):
    """An update; `recall` is additional. One that was recalled is not deployable."""

    update_id: UpdateId
    is_deployable: bool
    compatibility: list[dict[str, str]]
    instructions: Instructions
    manifest_version: str
    imported_date_time: str
    created_date_time: str
    etag: str
    description: str | None = None
    friendly_name: str | None = None
    referenced_by: list[UpdateId] | None = None
    scan_result: str | None = None
    recall: UpdateRecall | None = None


class ScanVerdict(Model):
    """What one malware scanner said of a file. Additional."""

    engine: str
    engine_version: str
    rules_version: str
    result: str
    members_scanned: Count
    bytes_scanned: Count
    names: list[str] | None = None
    member_path: str | None = None
    reason: str | None = None


class UpdateFileBase(Model):
    """A related file of an update's file. `scanVerdicts` is additional."""

    file_name: str
    size_in_bytes: int
    hashes: dict[str, str]
    scan_result: str | None = None
    scan_details: str | None = None
    scan_verdicts: list[ScanVerdict] | None = None
    properties: dict[str, str] | None = None


class DownloadHandler(Model):
    """Who makes the file from a related file on the device."""

    id: str


class UpdateFile(UpdateFileBase, kw_only=True):
    """A file of an update."""

    file_id: str
    etag: str
    related_files: list[UpdateFileBase] | None = None
    download_handler: DownloadHandler | None = None


class ManifestSource(Model):
    """Where an import manifest is fetched from, and what it must be."""

    url: Annotated[str, Meta(min_length=1, max_length=8192)]
    size_in_bytes: Annotated[int, Meta(ge=1, le=1 << 20)]
    hashes: dict[str, str]


class FileSource(Model):
    """Where a file is fetched from."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    url: Annotated[str, Meta(min_length=1, max_length=8192)]


class ImportUpdateInputItem(Model):
    """One update to import."""

    import_manifest: ManifestSource
    friendly_name: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    files: Annotated[list[FileSource], Meta(max_length=50)] | None = None


class Operation(Model):
    """A long-running operation; what follows `error` is additional.

    `filesScanned` of `filesTotal` counts up while an import is scanned; `missingFiles` and
    `missingUpdates` are what a dropped manifest waits for, `awaitedFiles` those on which a scanner
    has told nothing yet.
    """

    operation_id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    created_date_time: str
    last_action_date_time: str
    etag: str
    trace_id: str | None = None
    update: UpdateInfo | None = None
    resource_location: str | None = None
    error: Error | None = None
    stage: str | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    files_scanned: int | None = None
    files_total: int | None = None
    missing_files: list[str] | None = None
    missing_updates: list[UpdateId] | None = None
    awaited_files: list[str] | None = None


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


class ContactDay(Model):
    """How many devices reported last on a day (UTC)."""

    date: str
    device_count: Count


class ConnectionHealth(Model):
    """What is known of connections: the first three add up to the total.

    The hub tells of a connection only if the device sends telemetry or takes messages; one that
    uses its twin alone counts as unknown. `lastContacts` counts the devices that are not known to
    be connected by the day of their last report about updates, the newest day first; a device that
    has nothing to do reports nothing.
    """

    connected_device_count: Count
    disconnected_device_count: Count
    unknown_device_count: Count
    total_device_count: Count
    last_contacts: list[ContactDay]


class RefusedEventCount(Model):
    """Events that were refused for one reason, since the service was set up.

    `ForeignHub`: of a hub that belongs to no instance. `Malformed`, `Oversized`: not what the hub
    or this service sends. `DeviceRowTooLarge`: a change of a device that reports too much to be
    kept.
    """

    reason: Literal["ForeignHub", "Malformed", "Oversized", "DeviceRowTooLarge"]
    count: Count
    last_date_time: str


class CounterDrift(Model):
    """A counter that a recount found wrong, and put right: what it held and what it should hold."""

    drifted_date_time: str
    group_id: str
    device_class_id: str
    counter: str
    found: int
    counted: int


class EventHealth(Model):
    """What went wrong on the way of events into the counters.

    `refusedEvents` are those of all instances, for a foreign event belongs to none. Every bucket of
    devices is recounted in turn; `counterDrifts` has the last drift of each that ever had one, the
    newest first.
    """

    refused_events: list[RefusedEventCount]
    recounted_bucket_count: Count
    counter_drifts: list[CounterDrift]
    oldest_recount_date_time: str | None = None


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


class ContractModel(Model):
    """The agent's digital twin model."""

    id: str
    name: str


class DeviceClassProperties(Model):
    """What devices of a class have in common."""

    compat_properties: dict[str, str]
    contract_model: ContractModel | None = None


class DeviceClass(Model):
    """Devices that take the same updates."""

    device_class_id: str
    device_class_properties: DeviceClassProperties
    friendly_name: str | None = None
    best_compatible_update: UpdateInfo | None = None


class DeviceClassPatch(Model):
    """What may be changed of a device class."""

    friendly_name: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[a-zA-Z0-9.-]+$")]


class Group(Model):
    """Devices with the same value of the twin tag `ADUGroup`."""

    group_id: str
    group_type: Literal["IoTHubTag", "DefaultNoTag"]
    created_date_time: str
    device_count: Count
    subgroups_with_new_updates_available_count: Count
    subgroups_with_updates_in_progress_count: Count
    subgroups_with_on_latest_update_count: Count
    deployments: list[str]


class DeviceClassSubgroup(Model):
    """The devices of one class in one group."""

    device_class_id: str
    group_id: str
    created_date_time: str
    device_count: Count
    deployment_id: str | None = None


class UpdatableDevices(Model):
    """How many devices of a subgroup could take its best update."""

    group_id: str
    device_class_id: str
    update: UpdateInfo
    device_count: Count


class UpdateCompliance(Model):
    """How many devices stand where; the last three add up to the total."""

    total_device_count: Count
    on_latest_update_device_count: Count
    new_updates_available_device_count: Count
    updates_in_progress_device_count: Count


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


class DeviceRef(Model):
    """Names a device or module."""

    device_id: Annotated[str, Meta(min_length=1, max_length=128)]
    module_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class LogCollection(Model):
    """A collection of diagnostic logs from devices."""

    device_list: Annotated[list[DeviceRef], Meta(min_length=1, max_length=100)]
    operation_id: str | None = None
    description: Annotated[str, Meta(max_length=512)] | None = None
    created_date_time: str | None = None
    last_action_date_time: str | None = None
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"] | None = None


class LogCollectionDeviceStatus(Model):
    """How the log collection stands on one device."""

    device_id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    module_id: str | None = None
    result_code: str | None = None
    extended_result_code: str | None = None
    log_location: str | None = None


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
