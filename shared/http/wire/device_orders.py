"""Orders for one device and explanations as the objects of the REST API."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.device_orders import is_in_force
from shared.domain.fleet.orders import EVERYTHING, Order
from shared.http.models import device_orders as models
from shared.http.wire.common import update_info
from shared.services.reporting.explain import Explained


def own(item: Deployment) -> models.DeviceDeployment:
    """A deployment of a device's own."""
    return models.DeviceDeployment(
        deployment_id=item.deployment_id,
        update=update_info(item.update_id),
        start_date_time=item.starts_at,
        created_date_time=item.created_at,
        recall_reason=item.recall_reason,
        warnings=list(item.warnings) or None,
        windows=item.own_windows,
        ignore_device_window=item.ignores_device_window,
    )


def deployment_of_device(record: DeviceRecord, item: Deployment) -> models.DeploymentOfDevice:
    """A deployment of a device's own, with the device and how it stands."""
    commanded = record.commanded
    is_asked = commanded is not None and commanded.workflow_id == item.workflow_id
    return models.DeploymentOfDevice(
        device_id=record.device_id,
        module_id=record.module_id,
        deployment=own(item),
        is_in_force=is_in_force(record, item),
        device_state=view(record).state if is_asked else None,
    )


def orders(record: DeviceRecord, names: Mapping[str, str]) -> models.DeviceOrders:
    """What stands ordered for a device; `names` are the ids of deployments by workflow."""
    known = {**names, **{item.workflow_id: item.deployment_id for item in record.own}}
    return models.DeviceOrders(
        orders=[_order(item, {**known, EVERYTHING: EVERYTHING}) for item in record.orders],
        deployments=[own(item) for item in record.own],
    )


def _order(item: Order, names: Mapping[str, str]) -> models.DeviceOrder:
    return models.DeviceOrder(
        kind=item.kind.value,
        deployment_id=names.get(item.workflow_id),
        ordered_date_time=item.at,
        ordered_by=item.by or None,
        reason=item.reason or None,
    )


def explanation(item: Explained) -> models.Explanation:
    """Why a device has, will get or will not get an update."""
    found = item.explanation
    return models.Explanation(
        verdict=found.verdict.value,
        update=update_info(found.update_id) if found.update_id else None,
        reasons=[
            models.ExplanationReason(
                code=each.code,
                message=each.message,
                decides=each.decides,
                data=dict(each.data) or None,
                until=each.until or None,
            )
            for each in found.reasons
        ],
        as_of=item.as_of,
    )
