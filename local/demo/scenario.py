"""What the demo does, check by check."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.demo.publisher import UpdatePackage, build
from local.demo.rollouts import GROUP, Rollouts
from local.demo.screen import Screen
from local.fleet.device import SimulatedDevice
from local.fleet.fleet import Fleet
from local.fleet.registry import registry
from local.rest import Rest
from local.stack.running import Stack
from odu_cli.blob_drop import drop, read_status
from odu_cli.deployment_bars import Counts, DeploymentBars
from odu_cli.file_server import FileServer
from odu_cli.rest import RestError
from odu_cli.rollouts.watching import summary

GROUPS = ("pilot", "north", "south")
MODELS = ("toaster", "fridge")
_QUICK = {"delaySeconds": {"download": 0.2, "install": 0.6, "apply": 0.3}}
_SLOW = {"delaySeconds": {"install": 30.0}}
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.25
_WRONG_HASH = "80300001"
"""Extended result code of a manifest whose text is not the one that was signed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must end as it must."""

    name: str
    is_ok: bool
    detail: str


class UnexpectedEnd(Exception):
    """Something ended otherwise than it must."""


def devices(count: int) -> list[SimulatedDevice]:
    """Devices of two models, spread evenly over three groups."""
    return [
        SimulatedDevice(
            device_id=f"{MODELS[index % 2]}-{index:02d}",
            manufacturer="contoso",
            model=MODELS[index % 2],
            group=GROUPS[index // 2 % 3],
            simulator=_QUICK,
        )
        for index in range(count)
    ]


@dataclass(slots=True)
class Scenario:
    """The demo against a running stack with its fleet."""

    stack: Stack
    rest: Rest
    fleet: Fleet
    publisher: FileServer
    screen: Screen
    checks: list[Check] = field(default_factory=list)

    async def run(self) -> None:
        """Do everything; each check is noted, and one that fails does not stop the others."""
        first, second = build("1.0"), build("1.1")
        await self.check("24 devices report and are grouped", self._fleet_reports)
        await self.check("import by URL", lambda: self._import(first))
        await self.check("roll-out of 1.0 to every group", lambda: self._roll_out(first))
        await self.check("malware is refused by the scan", self._infected)
        await self.check("import by blob drop", lambda: self._dropped(second))
        await self.check("roll-out of 1.1 to the pilot group", lambda: self._pilot(second))
        await self.check("a tampered manifest is refused by the device", self._tampered)
        await self.check("a deployment is cancelled", lambda: self._cancelled(second))
        rollouts = Rollouts(self.rest, self.fleet, self.screen)
        bad, good = build("1.2"), build("1.3")
        await self.check(
            "a bad version is stopped at its canary", lambda: self._stopped(rollouts, bad)
        )
        await self.check("a good one goes through its phases", lambda: self._phased(rollouts, good))
        await self.check("a device is explained", lambda: self._explained(rollouts, good))
        await self.check("compliance adds up", self._compliance)

    async def check(self, name: str, work: Callable[[], Awaitable[str]]) -> None:
        """Run one check and note how it ended."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                detail = await work()
            check = Check(name, is_ok=True, detail=detail)
        except (UnexpectedEnd, RestError) as error:
            check = Check(name, is_ok=False, detail=str(error))
        except TimeoutError:
            check = Check(name, is_ok=False, detail=f"not within {_PATIENCE_SECONDS:g} s")
        self.checks.append(check)
        self.screen.outcome(check.name, check.detail, is_ok=check.is_ok)

    async def _fleet_reports(self) -> str:
        expected = dict.fromkeys(GROUPS, 0)
        for device in self.fleet.devices:
            expected[device.group or ""] += 1
        while True:
            groups = (await self.rest.get("management/groups"))["value"]
            if {one["groupId"]: one["deviceCount"] for one in groups} == expected:
                break
            await asyncio.sleep(_POLL_SECONDS)
        classes = (await self.rest.get("management/deviceClasses"))["value"]
        if len(classes) != len(MODELS):
            raise UnexpectedEnd(f"{len(classes)} device classes instead of {len(MODELS)}")
        return f"{len(self.fleet.devices)} devices, {len(GROUPS)} groups, {len(classes)} classes"

    async def _import(self, package: UpdatePackage) -> str:
        operation = await self.rest.import_update([package.offered(self.publisher)])
        ended = await self.rest.finished(operation)
        if ended["status"] != "Succeeded":
            raise UnexpectedEnd(ended["error"]["message"])
        return f"{ended['resourceLocation'].partition('?')[0]}, {ended['bytesDone']:,} bytes"

    async def _roll_out(self, package: UpdatePackage) -> str:
        counts = await self._deploy(package, GROUPS)
        return _all_succeeded(counts)

    async def _pilot(self, package: UpdatePackage) -> str:
        counts = await self._deploy(package, ("pilot",))
        return _all_succeeded(counts)

    async def _infected(self) -> str:
        package = build("6.6.6", is_infected=True)
        operation = await self.rest.import_update([package.offered(self.publisher)])
        ended = await self.rest.finished(operation)
        if ended["status"] != "Failed":
            raise UnexpectedEnd("the infected update was published")
        inner = ended["error"]["innererror"]["code"]
        if inner != "SourceFileMalwareDetected":
            raise UnexpectedEnd(f"refused, but for {inner}")
        try:
            await self.rest.get("updates/providers/contoso/names/appliance/versions/6.6.6")
        except RestError:
            return str(ended["error"]["message"])
        raise UnexpectedEnd("the refused update can be read")

    async def _dropped(self, package: UpdatePackage) -> str:
        from azure.storage.blob.aio import ContainerClient

        container = ContainerClient.from_connection_string(
            self.stack.storage_connection_string, self.stack.import_drop_container
        )
        async with container:
            folder = f"releases/{package.version}"
            name = await drop(container, folder, "appliance", package.manifest, package.files)
            while True:
                status = await read_status(container, name)
                if status is not None:
                    break
                await asyncio.sleep(_POLL_SECONDS)
        if status["status"] != "Succeeded":
            raise UnexpectedEnd(str(status["error"]))
        return f"{name}: {status['status']}"

    async def _tampered(self) -> str:
        """Somebody with access to the hub, but without the signing key, edits a manifest."""
        device = next(item.device_id for item in self.fleet.devices if item.group == "pilot")
        hub = await asyncio.to_thread(registry, self.stack)
        twin = await asyncio.to_thread(hub.get_twin, device)
        service = twin.properties.desired["deviceUpdate"]["service"]
        forged = {
            **service,
            "workflow": {"action": 3, "id": str(uuid.uuid4())},
            "updateManifest": service["updateManifest"].replace('"1.1"', '"9.9"'),
        }
        await asyncio.to_thread(_patch_desired, hub, device, forged)
        while True:
            twin = await asyncio.to_thread(hub.get_twin, device)
            agent = twin.properties.reported["deviceUpdate"]["agent"]
            if agent["state"] == 255:
                break
            await asyncio.sleep(_POLL_SECONDS)
        codes = agent["lastInstallResult"]["extendedResultCodes"]
        if not codes.startswith(_WRONG_HASH):
            raise UnexpectedEnd(f"refused, but with {codes}")
        if json.loads(agent["installedUpdateId"])["version"] != "1.1":
            raise UnexpectedEnd("the device has installed something")
        return f"{device}: extended result code {_WRONG_HASH}, still on 1.1"

    async def _cancelled(self, package: UpdatePackage) -> str:
        for device in self.fleet.devices:
            if device.group == "south":
                self.fleet.simulate(device.device_id, _SLOW)

        async def cancel(identity: str, counts: Counts) -> None:
            if counts.in_progress == counts.total > 0:
                await self._cancel("south", identity)

        counts = await self._deploy(package, ("south",), cancel)
        south = counts["south"]
        if south.canceled != south.total:
            raise UnexpectedEnd(str(south))
        return f"south: {south}"

    async def _cancel(self, group: str, identity: str) -> None:
        subgroups = await self.rest.get(f"management/groups/{group}/deviceClassSubgroups")
        for one in subgroups["value"]:
            await self.rest.request(
                "POST",
                f"management/groups/{group}/deviceClassSubgroups/{one['deviceClassId']}"
                f"/deployments/{identity}:cancel",
            )

    async def _stopped(self, rollouts: Rollouts, package: UpdatePackage) -> str:
        await self._import(package)
        reason, spared = await rollouts.bad(package)
        if not reason or not spared:
            raise UnexpectedEnd(f"it was not stopped: {reason or spared}")
        return f"{reason} {spared}"

    async def _phased(self, rollouts: Rollouts, package: UpdatePackage) -> str:
        await self._import(package)
        state = await rollouts.good(package)
        succeeded = sum(phase["succeeded"] for phase in state["phases"])
        expected = sum(device.group == GROUP for device in self.fleet.devices)
        if state["status"] != "Completed" or succeeded != expected:
            raise UnexpectedEnd(summary(state))
        phases = ", ".join(f"{each['name']} {each['asked']}" for each in state["phases"])
        return f"{succeeded} devices succeeded: {phases}"

    async def _explained(self, rollouts: Rollouts, package: UpdatePackage) -> str:
        found = await rollouts.explained(package)
        if found["verdict"] != "Has":
            raise UnexpectedEnd(str(found["reasons"]))
        return str(next(each for each in found["reasons"] if each["decides"])["message"])

    async def _compliance(self) -> str:
        rows = [
            (name, await self.rest.get(f"management/groups/{name}/updateCompliance"))
            for name in GROUPS
        ]
        whole = await self.rest.get("management/updateCompliance")
        self.screen.compliance([*rows, ("all", whole)])
        counts = {key: each for key, each in whole.items() if isinstance(each, int)}
        for key, total in counts.items():
            if total != sum(figures[key] for _, figures in rows):
                raise UnexpectedEnd(f"{key} of the groups do not add up to {total}")
        parts = ("onLatestUpdateDeviceCount", "newUpdatesAvailableDeviceCount")
        latest, older = (whole[part] for part in parts)
        if latest + older != len(self.fleet.devices):
            raise UnexpectedEnd(f"{latest} + {older} devices of {len(self.fleet.devices)}")
        return f"{latest} devices on the latest update, {older} with a newer one available"

    async def _deploy(
        self,
        package: UpdatePackage,
        groups: Sequence[str],
        on_counts: Callable[[str, Counts], Awaitable[None]] | None = None,
    ) -> Mapping[str, Counts]:
        """Deploy to groups and watch until every device has ended."""
        title = f"deploying {package.version} to {', '.join(groups)}"
        with self.screen.bars(title, groups) as bars:
            return dict(
                zip(
                    groups,
                    await asyncio.gather(
                        *(self._watch(package, group, bars, on_counts) for group in groups)
                    ),
                    strict=True,
                )
            )

    async def _watch(
        self,
        package: UpdatePackage,
        group: str,
        bars: DeploymentBars,
        on_counts: Callable[[str, Counts], Awaitable[None]] | None,
    ) -> Counts:
        started = datetime.now(UTC).isoformat()
        identity = await self.rest.deploy(group, package.update_id, starts_at=started)
        while True:
            status = await self.rest.get(f"management/groups/{group}/deployments/{identity}/status")
            counts = Counts.of(status)
            bars.show(group, counts)
            if on_counts is not None:
                await on_counts(identity, counts)
            if counts.is_finished:
                return counts
            await asyncio.sleep(_POLL_SECONDS)


def _all_succeeded(counts: Mapping[str, Counts]) -> str:
    for group, one in counts.items():
        if one.succeeded != one.total:
            raise UnexpectedEnd(f"{group}: {one}")
    return f"{sum(one.succeeded for one in counts.values())} devices succeeded"


def _patch_desired(hub: Any, device_id: str, service: Mapping[str, Any]) -> None:
    from azure.iot.hub.models import Twin, TwinProperties

    desired = {"deviceUpdate": {"__t": "c", "service": dict(service)}}
    hub.update_twin(device_id, Twin(properties=TwinProperties(desired=desired)))
