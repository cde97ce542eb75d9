"""The resources of the REST API: what is served and what the OpenAPI document describes.

A new resource is added here and nowhere else. A request loads only the modules that serve paths
like its own: the first one after a cold start does not wait for the rest.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from urllib.parse import unquote, urlsplit

import azure.functions as func

from functions import api
from functions.api import Api
from shared.domain.errors import InvalidInput, NotFound
from shared.http.problems import MethodNotAllowed
from shared.http.route import Route
from shared.http.routing import Router

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")

RESOURCES = (
    "updates",
    "uploads",
    "devices",
    "device_orders",
    "device_classes",
    "groups",
    "health",
    "log_collections",
    "deployments",
    "rollouts",
    "subgroup_deployments",
    "audit",
    "me",
    "operations",
    "overviews",
    "trends",
    "configuration",
)
"""Modules of this package that declare operations, in the order of the document."""

HOMES: Mapping[str, tuple[str, ...]] = {
    "": ("me",),
    "audit": ("audit",),
    "changes": ("overviews",),
    "management/attention": ("overviews",),
    "management/connectionhealth": ("health",),
    "management/deployments": ("overviews",),
    "management/deviceclasses": ("device_classes",),
    "management/devicediagnostics": ("devices", "log_collections"),
    "management/devices": ("device_orders", "devices"),
    "management/eventhealth": ("health",),
    "management/groups": (
        "groups",
        "health",
        "deployments",
        "rollouts",
        "subgroup_deployments",
        "trends",
    ),
    "management/installedupdates": ("overviews",),
    "management/keys": ("configuration",),
    "management/operations": ("devices",),
    "management/scanners": ("configuration",),
    "management/settings": ("configuration",),
    "management/updatecompliance": ("groups", "trends"),
    "management/updates": ("device_orders",),
    "operations": ("operations",),
    "search": ("overviews",),
    "updates": ("overviews", "updates", "uploads"),
    "uploads": ("uploads",),
}
"""Where the operations are by how their paths begin, in lower case, below the instance.

Paths that begin in no such way are looked up in all of them.
"""


def routes() -> list[Route]:
    """Every operation of the API."""
    return [route for name in RESOURCES for route in _resource(name).routes]


def home_of(template: str) -> str:
    """How a path begins: what `HOMES` has an entry for."""
    below = [unquote(part).partition(":")[0].lower() for part in template.split("/")[2:]]
    return "/".join(below[:2] if below[:1] == ["management"] else below[:1])


@cache
def _resource(name: str) -> Api:
    resource: Api = import_module(f"functions.{name}").api
    return resource


@cache
def _router(names: Iterable[str]) -> Router:
    return Router(route for name in names for route in _resource(name).routes)


async def serve(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a request to the REST API; its path alone says which operation is meant."""
    if not _HOST.fullmatch(request.headers.get("Host", "localhost")):
        return api.problem(InvalidInput("The Host header names no host.", target="Host"))
    path = urlsplit(request.url).path
    names = HOMES.get(home_of(path.strip("/")), RESOURCES)
    found = {route.method: route for route in _router(names).find(path)}
    route = found.get(request.method)
    if route is not None:
        owners = (_resource(name) for name in names)
        handlers = next(item.handlers for item in owners if route in item.routes)
        return await api.serve(route, handlers[route.name], request)
    if not found:
        return api.problem(NotFound("Nothing has this address.", target="path"))
    return api.problem(MethodNotAllowed(found))
