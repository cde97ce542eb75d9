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
_UNHEALTHY = "30100F09"
"""Extended result code of an image that did not pass its health check."""
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
        story = _Story(lab, rest, publisher, machine)
        await checks.run(f"the device starts, with {accelerated_by}", story.first_start)
        await checks.run(f"{FIRST} to {SECOND}", lambda say: story.update(SECOND, "B", say))
        await checks.run(f"{SECOND} to {THIRD}", lambda say: story.update(THIRD, "A", say))
        await checks.run(f"broken {BROKEN} falls back by itself", story.fall_back)
        await checks.run(f"power cut while {LAST} is written", story.power_cut)


@dataclass(frozen=True, slots=True)
class _Story:
    lab: Lab
    rest: Rest
    publisher: FileServer
    machine: Machine

    async def first_start(self, say: Say) -> str:
        """The device boots the first version and is known to the service."""
        say("its disk is put together")
        await asyncio.to_thread(self._make_disk)
        await self.machine.power_on()
        say("it boots")
        await self._runs(FIRST, "A", 0)
        say("its agent connects")
        while True:
            try:
                device = await self._device()
                break
            except RestError as error:
                if error.status != 404:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        return f"{FIRST} in slot A; the service knows it in group {device['groupId']}"

    async def update(self, version: str, slot: str, say: Say) -> str:
        """A good version goes into the other slot and stays."""
        since = self.machine.position
        deployment = await self._deploy(version, say)
        await self._succeeds(deployment, version, say)
        await self._runs(version, slot, since)
        return f"in slot {slot}, started, healthy, reported"

    async def fall_back(self, say: Say) -> str:
        """A version that fails its health check gives way to the one before."""
        since = self.machine.position
        deployment = await self._deploy(BROKEN, say)
        counts = await self._end(deployment, say)
        if counts.failed != counts.total:
            raise UnexpectedEnd(f"the broken version: {counts}")
        await self.machine.seen(rf"toaster {BROKEN}: the heater does not answer", since)
        await self._runs(THIRD, "A", since)
        device = await self._device()
        installed = device["installedUpdate"]["updateId"]["version"]
        result = device["lastInstallResult"]
        text = str(result)
        if installed != THIRD or _UNHEALTHY not in text.upper():
            raise UnexpectedEnd(f"the service has {installed} installed, and {text}")
        return f"{THIRD} in slot A again; the service was told {_UNHEALTHY}"

    async def power_cut(self, say: Say) -> str:
        """The power goes while a version is written; the device goes on by itself after it."""
        version = self.lab.parts.versions[LAST]
        deployment = await self._deploy(LAST, say)
        await self._is_being_written("B", version)
        await self.machine.cut_power()
        written, total = await asyncio.to_thread(self._written, "B", version)
        if written == total:
            raise UnexpectedEnd("the power was cut too late: all of the image was written")
        since = self.machine.position
        say(f"power cut with {written} of {total} MiB written; it starts again")
        await self.machine.power_on()
        await self._runs(THIRD, "A", since)
        await self._succeeds(deployment, LAST, say)
        await self._runs(LAST, "B", since)
        return f"cut with {written} of {total} MiB written; {THIRD} started, then went on to {LAST}"

    def _make_disk(self) -> None:
        data = self.lab.folder / "data"
        make_data(self.lab.stack, self.lab.parts.signer, data)
        system = self.lab.parts.versions[FIRST].image
        make_disk(self.lab.disk, system, LAB / "grub.cfg", data)

    async def _runs(self, version: str, slot: str, since: int) -> None:
        await self.machine.seen(rf"toaster {version} runs from slot {slot}", since)

    async def _deploy(self, version: str, say: Say) -> str:
        package = self.lab.parts.versions[version]
        say("import")
        files = {package.archive.name: package.archive}
        offered = self.publisher.offer(await asyncio.to_thread(package.manifest), files)
        ended = await self.rest.finished(await self.rest.import_update([offered]))
        if ended["status"] != "Succeeded":
            raise UnexpectedEnd(ended["error"]["message"])
        say("deployment")
        return await self.rest.deploy(GROUP, package.update_id)

    async def _succeeds(self, deployment: str, version: str, say: Say) -> None:
        counts = await self._end(deployment, say)
        device = await self._device()
        if counts.succeeded != counts.total:
            raise UnexpectedEnd(f"{counts}: {device['lastInstallResult']}")
        installed = device["installedUpdate"]["updateId"]["version"]
        if installed != version:
            raise UnexpectedEnd(f"the service has {installed} installed")

    async def _end(self, deployment: str, say: Say) -> Counts:
        """Wait until the deployment has ended, and say what the device is at meanwhile."""
        hub = await asyncio.to_thread(registry, self.lab.stack)
        while True:
            status = await self.rest.get(f"{deployment_path(GROUP, deployment)}/status")
            counts = Counts.of(status)
            if counts.is_finished:
                return counts
            twin = await asyncio.to_thread(hub.get_twin, DEVICE)
            say(_phase(twin))
            await asyncio.sleep(_POLL_SECONDS)

    async def _device(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.rest.get(path("management", "devices", DEVICE))
        return found

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
