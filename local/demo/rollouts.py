"""The demo's roll-outs: a bad version stopped at its canary, a good one through three phases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from odu_cli.deployment_bars import Counts, DeploymentBars
from odu_cli.rest import deployment_path, path
from odu_cli.rollouts.watching import summary

if TYPE_CHECKING:
    from local.demo.publisher import UpdatePackage
    from local.demo.screen import Screen
    from local.fleet.fleet import Fleet
    from local.rest import Rest

GROUP = "north"
_BROKEN = {"install": {"resultCode": 0, "extendedResultCode": 0x30500001}}
_POLL_SECONDS = 0.25
_STOPPED = ("Completed", "Paused", "Aborted", "RolledBack", "Ended")
_BAD: Mapping[str, Any] = {
    "phases": [
        {"name": "canary", "select": {"count": 2}, "gate": {"minimumSample": 2}},
        {"name": "all", "select": {"percent": 100}},
    ],
    "failure": {"percent": 50, "minimumSample": 2},
}
_GOOD: Mapping[str, Any] = {
    "phases": [
        {"name": "canary", "select": {"count": 2}, "gate": {"bakeTime": "PT1S"}},
        {"name": "half", "select": {"percent": 50}, "ifEmpty": "Continue"},
        {"name": "all", "select": {"percent": 100}},
    ],
}


class Rollouts:
    """Roll-outs to one group."""

    def __init__(self, rest: Rest, fleet: Fleet, screen: Screen) -> None:
        self._rest = rest
        self._fleet = fleet
        self._screen = screen
        self._devices = [device for device in fleet.devices if device.group == GROUP]

    async def bad(self, package: UpdatePackage) -> tuple[str, str]:
        """Roll out a version that fails; why it stopped, and where a device stands."""
        for device in self._devices:
            self._fleet.simulate(device.device_id, _BROKEN)
        state = await self._roll_out(package, "bad", _BAD)
        for device in self._devices:
            self._fleet.simulate(device.device_id, device.simulator)
        asked = sum(phase["asked"] for phase in state["phases"])
        if state["status"] != "Paused" or asked > 2:
            return "", summary(state)
        return state["reason"]["message"], await self._spared(package)

    async def good(self, package: UpdatePackage) -> Mapping[str, Any]:
        """Roll out a version that works; how the roll-out has ended."""
        return await self._roll_out(package, "good", _GOOD)

    async def explained(self, package: UpdatePackage) -> Mapping[str, Any]:
        """Why a device of the group has the version, or has not."""
        return await self._explain(self._devices[0].device_id, package)

    async def _spared(self, package: UpdatePackage) -> str:
        """The explanation of a device that the canary has spared."""
        for device in self._devices:
            found = await self._explain(device.device_id, package)
            if found["verdict"] == "Waits":
                why = next(each for each in found["reasons"] if each["decides"])
                return f"{device.device_id} waits: {why['message']}"
        return ""

    async def _explain(self, device: str, package: UpdatePackage) -> Mapping[str, Any]:
        named = package.update_id
        address = path(
            "management",
            "devices",
            device,
            "updates",
            "providers",
            named["provider"],
            "names",
            named["name"],
            "versions",
            named["version"],
        )
        found: Mapping[str, Any] = await self._rest.get(f"{address}:explain")
        return found

    async def _roll_out(
        self, package: UpdatePackage, identity: str, rollout: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Deploy by phases and watch until the roll-out is complete or has stopped."""
        names = [phase["name"] for phase in rollout["phases"]]
        with self._screen.bars(f"rolling {package.version} out to {GROUP}", names) as bars:
            started = datetime.now(UTC).isoformat()
            await self._rest.deploy(
                GROUP, package.update_id, identity, starts_at=started, rollout=rollout
            )
            while True:
                found = await self._rest.get(deployment_path(GROUP, identity))
                state: Mapping[str, Any] = found["rollout"]["state"]
                _show(bars, state)
                if state["status"] in _STOPPED and not state["inFlight"]:
                    return state
                await asyncio.sleep(_POLL_SECONDS)


def _show(bars: DeploymentBars, state: Mapping[str, Any]) -> None:
    for phase in state["phases"]:
        succeeded = phase["succeeded"] + phase["alreadyInstalled"]
        canceled = phase["canceled"] + phase["withdrawn"]
        bars.show(
            phase["name"],
            Counts(phase["asked"], phase["open"], succeeded, phase["failed"], canceled),
        )
