"""What `./odu lab` does with the reference device, check by check."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.fleet.registry import registry
from local.lab.base import LAB
from local.lab.build import BROKEN, FIRST, LAST, SECOND, THIRD, Parts
from local.lab.checks import Checks, Say, UnexpectedEnd
from local.lab.device import DEVICE, GROUP, make_data
from local.lab.disk import MIB, make_disk, slot_content
from local.lab.machine import Machine, acceleration
from local.lab.proxy import proxy
from local.lab.updates import SystemVersion, label_of
from local.rest import Rest
from odu_cli.deployment_bars import Counts
from odu_cli.file_server import FileServer
from odu_cli.rest import RestError, deployment_path, path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.stack.running import Stack

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 0.02
_UNHEALTHY = 0x30100F09
"""Extended result code of an image that did not pass its health check."""
_OTHER = {"A": "B", "B": "A"}
_BEGIN_BYTES = 2048
_RETRIES = 10


@dataclass(frozen=True, slots=True)
class Lab:
    """What the story is played with."""

    stack: Stack
    parts: Parts
    folder: Path
    console: Path

    @property
    def disk(self) -> Path:
        """The device's disk."""
        return self.folder / "disk.img"


async def play(lab: Lab, checks: Checks) -> None:
    """Do everything with a device of its own.

    Raises:
        LabError: A part cannot be made or does not work.
        Stopped: A check failed.
    """
    async with AsyncExitStack() as opened:
        rest = await opened.enter_async_context(Rest(lab.stack, patience=_RETRIES))
        publisher = await opened.enter_async_context(FileServer())
        accelerated_by = await asyncio.to_thread(acceleration, lab.folder)
        machine = Machine(lab.disk, lab.console, accelerated_by)
        await opened.enter_async_context(machine)
        port = await opened.enter_async_context(proxy(lab.folder))
        story = Story(lab=lab, rest=rest, publisher=publisher, machine=machine, proxy_port=port)
        start = f"the device starts, with {accelerated_by}"
        await checks.run(start, lambda say: story.first_start(FIRST, say))
        await checks.run(f"{FIRST} to {SECOND}", lambda say: story.update(SECOND, say))
        await checks.run(f"{SECOND} to {THIRD}", lambda say: story.update(THIRD, say))
        await checks.run(f"broken {BROKEN} falls back", lambda say: story.fall_back(BROKEN, say))
        await checks.run(f"power cut while {LAST} is written", lambda say: story.cut(LAST, say))
        await checks.run(f"{LAST} after it, by itself", lambda say: story.go_on(LAST, say))


@dataclass(slots=True, kw_only=True)
class Story:
    """What is done with the device; it knows what should run."""

    lab: Lab
    rest: Rest
    publisher: FileServer
    machine: Machine
    proxy_port: int
    version: str = ""
    slot: str = "A"
    deployment: str = ""
    since: int = 0

    async def first_start(self, version: str, say: Say) -> str:
        """The device boots its first version and is known to the service."""
        self.version = version
        say("its disk is put together")
        await asyncio.to_thread(self._make_disk)
        await self.machine.power_on()
        say("it boots")
        await self._runs(version, 0)
        say("its agent connects")
        while True:
            try:
                device = await self._device()
                break
            except RestError as error:
                if error.status != 404:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        return f"{version} in slot A; the service knows it in group {device['groupId']}"

    async def update(self, version: str, say: Say) -> str:
        """A good version goes into the other slot and stays."""
        since = self.machine.position
        await self._deploy(version, say)
        return await self._succeeds(version, since, say)

    async def fall_back(self, version: str, say: Say) -> str:
        """A version that fails its health check gives way to the one before."""
        since = self.machine.position
        await self._deploy(version, say)
        counts = await self._end(say)
        if counts.failed != counts.total:
            raise UnexpectedEnd(f"the broken version: {counts}")
        await self.machine.seen(rf"toaster {version}: the heater does not answer", since)
        await self._runs(self.version, since)
        device = await self._device()
        installed, result = _installed(device), device["lastInstallResult"]
        if (installed, result["extendedResultCode"]) != (self.version, _UNHEALTHY):
            raise UnexpectedEnd(f"the service has {installed} installed, and {result}")
        return f"{self.version} in slot {self.slot} again; {result['resultDetails']}"

    async def cut(self, version: str, say: Say) -> str:
        """The power goes while a version is written; the version before starts again."""
        package = self.lab.parts.versions[version]
        other = _OTHER[self.slot]
        await self._deploy(version, say)
        await self._until_written(other, package, say)
        await self.machine.cut_power()
        written, total = await asyncio.to_thread(self._written, other, package)
        if written == total:
            raise UnexpectedEnd("the power was cut too late: all of the image was written")
        say(f"power cut with {written} of {total} MiB written; it starts again")
        self.since = self.machine.position
        await self.machine.power_on()
        await self._runs(self.version, self.since)
        return f"cut with {written} of {total} MiB written; {self.version} starts again"

    async def go_on(self, version: str, say: Say) -> str:
        """What a power cut interrupted is done after all, without anybody's help."""
        return await self._succeeds(version, self.since, say)

    def _make_disk(self) -> None:
        data = self.lab.folder / "data"
        make_data(self.lab.stack, self.lab.parts.signer, self.proxy_port, data)
        system = self.lab.parts.versions[FIRST].image
        make_disk(self.lab.disk, system, LAB / "grub.cfg", data)

    async def _runs(self, version: str, since: int) -> None:
        await self.machine.seen(rf"toaster {version} runs from slot {self.slot}", since)

    async def _deploy(self, version: str, say: Say) -> None:
        package = self.lab.parts.versions[version]
        say("import")
        files = {package.archive.name: package.archive}
        offered = self.publisher.offer(await asyncio.to_thread(package.manifest), files)
        ended = await self.rest.finished(await self.rest.import_update([offered]))
        if ended["status"] != "Succeeded":
            raise UnexpectedEnd(ended["error"]["message"])
        say("deployment")
        self.deployment = await self.rest.deploy(GROUP, package.update_id)

    async def _succeeds(self, version: str, since: int, say: Say) -> str:
        counts = await self._end(say)
        device = await self._device()
        if counts.succeeded != counts.total:
            raise UnexpectedEnd(f"{counts}: {device['lastInstallResult']}")
        if _installed(device) != version:
            raise UnexpectedEnd(f"the service has {_installed(device)} installed")
        self.version, self.slot = version, _OTHER[self.slot]
        await self._runs(version, since)
        return f"in slot {self.slot}: started, healthy, reported"

    async def _end(self, say: Say) -> Counts:
        """Wait until the deployment has ended, and say what the device is at meanwhile."""
        hub = await asyncio.to_thread(registry, self.lab.stack)
        while True:
            status = await self.rest.get(f"{deployment_path(GROUP, self.deployment)}/status")
            counts = Counts.of(status)
            if counts.is_finished:
                return counts
            twin = await asyncio.to_thread(hub.get_twin, DEVICE)
            say(_phase(twin))
            await asyncio.sleep(_POLL_SECONDS)

    async def _device(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.rest.get(path("management", "devices", DEVICE))
        return found

    async def _until_written(self, slot: str, version: SystemVersion, say: Say) -> None:
        """Wait for the first of an image to be in a slot."""
        writing = asyncio.create_task(self._is_being_written(slot, version))
        ending = asyncio.create_task(self._end(say))
        tasks = (writing, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                why = (await self._device()).get("lastInstallResult")
                raise UnexpectedEnd(f"it ended before anything was written: {why}")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _is_being_written(self, slot: str, version: SystemVersion) -> None:
        """Look at the disk, as nobody tells: not the device, nor QEMU."""
        while True:
            if label_of(slot_content(self.lab.disk, slot, 0, _BEGIN_BYTES)) == version.label:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _written(self, slot: str, version: SystemVersion) -> tuple[int, int]:
        """How many MiB of an image are in a slot from its beginning on, and how many there are."""
        with version.image.open("rb") as file:
            at, is_equal = 0, True
            written = 0
            while block := file.read(MIB):
                found = slot_content(self.lab.disk, slot, at, len(block))
                is_equal = is_equal and found == block
                written += is_equal
                at += len(block)
        return written, -(-at // MIB)


def _phase(twin: Any) -> str:
    agent = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
    return str(agent.get("phase", "it works"))


def _installed(device: Mapping[str, Any]) -> str:
    """The version that the service has of a device."""
    return str(device.get("installedUpdate", {}).get("updateId", {}).get("version"))
