"""REST: health of devices."""

from dataclasses import replace
from typing import Any

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http import models, wire
from shared.http.filters import health_filter
from shared.http.route import filter_by

api = Api()


@api.operation(
    "GET",
    "management/deviceDiagnostics/deviceHealth",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.DeviceHealth],
    query=(
        replace(
            filter_by(
                "state eq 'unhealthy'",
                "deviceId eq '...'",
                "deviceId eq '...' and moduleId eq '...'",
            ),
            is_required=True,
        ),
    ),
    is_paged=True,
)
async def list_health_of_devices(call: Call) -> Any:
    """List the health of one device, or of all that are unhealthy."""
    page = await call.app.health.page(
        call.instance,
        health_filter(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.device_health(item.record, item.health) for item in page.items], page)
