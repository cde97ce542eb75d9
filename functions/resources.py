"""The resources of the REST API: what is served and what the OpenAPI document describes.

A new resource is added here and nowhere else.
"""

import re
from functools import cache
from urllib.parse import urlsplit

import azure.functions as func

from functions import (
    api,
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
from shared.domain.errors import InvalidInput, NotFound
from shared.http.problems import MethodNotAllowed
from shared.http.route import Route
from shared.http.routing import Router

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")

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


@cache
def _router() -> Router:
    return Router(routes())


async def serve(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a request to the REST API; its path alone says which operation is meant."""
    if not _HOST.fullmatch(request.headers.get("Host", "localhost")):
        return api.problem(InvalidInput("The Host header names no host.", target="Host"))
    found = {route.method: route for route in _router().find(urlsplit(request.url).path)}
    route = found.get(request.method)
    if route is not None:
        handlers = next(item.handlers for item in RESOURCES if route in item.routes)
        return await api.serve(route, handlers[route.name], request)
    if not found:
        return api.problem(NotFound("Nothing has this address.", target="path"))
    return api.problem(MethodNotAllowed(found))
