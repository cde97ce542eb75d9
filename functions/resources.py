"""The resources of the REST API: what the function app serves and the OpenAPI document describes.

A new resource is added here and nowhere else.
"""

from functions import (
    audit,
    configuration,
    deployments,
    device_classes,
    device_orders,
    devices,
    groups,
    health,
    log_collections,
    me,
    operations,
    overviews,
    rollouts,
    subgroup_deployments,
    trends,
    updates,
    uploads,
)
from functions.api import Api
from shared.http.route import Route

RESOURCES: tuple[Api, ...] = (
    updates.api,
    uploads.api,
    devices.api,
    device_orders.api,
    device_classes.api,
    groups.api,
    health.api,
    log_collections.api,
    deployments.api,
    rollouts.api,
    subgroup_deployments.api,
    audit.api,
    me.api,
    operations.api,
    overviews.api,
    trends.api,
    configuration.api,
)


def routes() -> list[Route]:
    """Every operation of the API."""
    return [route for resource in RESOURCES for route in resource.routes]
