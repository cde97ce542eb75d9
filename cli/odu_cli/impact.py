"""What it touches to take an update or a deployment away: said before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from odu_cli.deployment_bars import Counts
from odu_cli.rest import RestError, deployment_path, path, update_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from odu_cli.rest import Rest

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Impact:
    """The deployments in force of an update, and how their devices stand; `own` are those that
    single devices were given.
    """

    deployments: int = 0
    devices: int = 0
    in_progress: int = 0
    own: int = 0

    def __str__(self) -> str:
        if not self.deployments and not self.own:
            return "no deployment of it is in force"
        parts = []
        if self.deployments:
            plural = "deployment" if self.deployments == 1 else "deployments"
            parts.append(f"{self.deployments} {plural} of it")
        if self.own:
            parts.append("1 device's own" if self.own == 1 else f"{self.own:,} devices' own")
        devices = "device" if self.devices == 1 else "devices"
        return (
            f"{' and '.join(parts)} with {self.devices:,} {devices}, "
            f"{self.in_progress:,} in progress"
        )


async def impact_of_update(rest: Rest, update_id: Mapping[str, str]) -> Impact:
    """Count the deployments in force of an update, of all groups and of single devices."""
    found = await _of_single_devices(rest, update_id)
    async for group in rest.items(path("management", "groups")):
        for identity in group.get("deployments") or ():
            status = await _status_of(rest, group["groupId"], identity, update_id)
            if status is not None:
                counts = Counts.of(status)
                found = replace(
                    found,
                    deployments=found.deployments + 1,
                    devices=found.devices + counts.total,
                    in_progress=found.in_progress + counts.in_progress,
                )
    return found


async def _of_single_devices(rest: Rest, update_id: Mapping[str, str]) -> Impact:
    states = [
        item.get("deviceState")
        async for item in rest.items(f"management/{update_path(update_id)}/deviceDeployments")
        if item["isInForce"]
    ]
    return Impact(devices=len(states), in_progress=states.count("InProgress"), own=len(states))


async def _status_of(
    rest: Rest, group: str, identity: str, update_id: Mapping[str, str]
) -> Any | None:
    """How a deployment stands, if it is one of the update."""
    address = deployment_path(group, identity)
    try:
        known = await rest.get(address)
        if (known.get("update") or {}).get("updateId") != update_id:
            return None
        return await rest.get(f"{address}/status")
    except RestError as error:
        if error.status == _NOT_FOUND:  # it was deleted meanwhile
            return None
        raise
