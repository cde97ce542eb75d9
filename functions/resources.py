"""The resources of the REST API: what the function app serves and the OpenAPI document describes.

A new resource is added here and nowhere else.
"""

from functions import (
    audit,
    deployments,
    device_health,
    device_import,
    fleet,
    fleet_changes,
    insights,
    log_collections,
    scanning,
    subgroup_deployments,
    update_deletion,
    updates,
)
from functions.api import Api
from shared.http.route import Route

ADDITIONAL: tuple[Api, ...] = (insights.api, scanning.api, audit.api)
"""What goes beyond the API of Device Update for IoT Hub."""

RESOURCES: tuple[Api, ...] = (
    updates.api,
    update_deletion.api,
    fleet.api,
    fleet_changes.api,
    device_import.api,
    device_health.api,
    log_collections.api,
    deployments.api,
    subgroup_deployments.api,
    *ADDITIONAL,
)


def routes() -> list[Route]:
    """Every operation of the API."""
    return [route for resource in RESOURCES for route in resource.routes]
