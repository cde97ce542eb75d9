"""Device classes, groups and their compliance."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.http.models.common import Count, Model, UpdateInfo


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


class ComplianceCounts(Model):
    """How many devices stand where; the last three add up to the total."""

    total_device_count: Count
    on_latest_update_device_count: Count
    new_updates_available_device_count: Count
    updates_in_progress_device_count: Count


class UpdateCompliance(ComplianceCounts):
    """Compliance now. `countedDateTime` is when the oldest of the counters were summed up; it is
    absent where none were yet.
    """

    counted_date_time: str | None = None
