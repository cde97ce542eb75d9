"""What REST says about everything in an instance, found by following its lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odu_cli.rest import deployment_path, path, update_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.rest import Rest

_LISTS = (
    "updates",
    "updates/providers",
    "updates/operations",
    "management/deviceClasses",
    "management/devices",
    "management/groups",
    "management/updateCompliance",
    path("management", "deviceDiagnostics", "deviceHealth", filter="state eq 'unhealthy'"),
    "management/deviceDiagnostics/logCollections",
)


async def all_answers(rest: Rest) -> AsyncIterator[tuple[str, Any]]:
    """Paths and their answers; those that tell the time or change by themselves are left out."""
    for place in _LISTS:
        yield place, await rest.get(place)
    async for place in _places(rest):
        yield place, await rest.get(place)


async def _places(rest: Rest) -> AsyncIterator[str]:
    async for update in rest.items("updates"):
        place = update_path(update["updateId"])
        yield place
        yield f"{place}/files"
        async for file in rest.items(f"{place}/files"):
            yield f"{place}/files/{file}"
    async for operation in rest.items("updates/operations"):
        yield path("updates", "operations", operation["operationId"])
    async for device in rest.items("management/devices"):
        place = path("management", "devices", device["deviceId"])
        if "moduleId" in device:
            place += "/" + path("modules", device["moduleId"])
        yield place
        yield f"{place}/updateHistory"
    async for known in rest.items("management/deviceClasses"):
        place = path("management", "deviceClasses", known["deviceClassId"])
        yield place
        yield f"{place}/installableUpdates"
    async for group in rest.items("management/groups"):
        async for place in _of_group(rest, group["groupId"]):
            yield place


async def _of_group(rest: Rest, group: str) -> AsyncIterator[str]:
    place = path("management", "groups", group)
    yield place
    for more in (
        "bestUpdates",
        "deployments",
        "deviceClassSubgroups",
        "failures",
        "updateCompliance",
    ):
        yield f"{place}/{more}"
    classes = [
        found["deviceClassId"] async for found in rest.items(f"{place}/deviceClassSubgroups")
    ]
    async for deployment in rest.items(f"{place}/deployments"):
        yield deployment_path(group, deployment["deploymentId"])
        yield deployment_path(group, deployment["deploymentId"]) + "/status"
        for class_id in classes:
            if class_id in deployment["deviceClassSubgroups"]:
                subgroup = f"{place}/deviceClassSubgroups/{class_id}"
                below = f"{subgroup}/deployments/{deployment['deploymentId']}"
                yield below
                yield f"{below}/status"
                yield f"{below}/devicestates"
