"""Device classes, groups and compliance."""

from __future__ import annotations

from typing import Any

from shared.domain.fleet.compliance import Compliance
from shared.domain.fleet.names import DEFAULT_GROUP
from shared.http import models
from shared.http.wire.common import update_info
from shared.ports import KnownClass


def device_class(known: KnownClass) -> models.DeviceClass:
    """A device class."""
    item = known.device_class
    model = item.contract_model_id
    name = model.rpartition(":")[2].partition(";")[0]
    return models.DeviceClass(
        device_class_id=item.class_id,
        friendly_name=known.friendly_name,
        device_class_properties=models.DeviceClassProperties(
            compat_properties=dict(item.properties),
            contract_model=models.ContractModel(id=model, name=name) if model else None,
        ),
        best_compatible_update=update_info(known.best_update) if known.best_update else None,
    )


def group_type(group_id: str) -> Any:
    """Whether a group is made by a tag or by the lack of one."""
    return "DefaultNoTag" if group_id == DEFAULT_GROUP else "IoTHubTag"


def compliance(item: Compliance, as_of: str) -> models.UpdateCompliance:
    """Compliance figures as of when they were summed up; empty: never."""
    return models.UpdateCompliance(
        total_device_count=item.total,
        on_latest_update_device_count=item.on_latest,
        new_updates_available_device_count=item.new_available,
        updates_in_progress_device_count=item.in_progress,
        counted_date_time=as_of or None,
    )
