"""A device that runs the model of the open-source C agent (`c_agent`) over a real connection.

It connects, verifies and downloads with parts of our agent, because in these the two agree; what
it decides and reports is the model's, defects included. Nothing is installed: its simulator's data
(`du-simulator-data.json`) say how downloading and installing end, and how slowly. As the C agent's,
its steps are not ended by a cancel; a delay ends early when the data no longer have it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.fleet.c_agent import CAgent, Ordered, Phase, Report
from shared.contract.codes import Action, Erc
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import acknowledgement

if TYPE_CHECKING:
    # the agent has a copy of its own of the contract
    from odu_agent.config import AgentConfig
    from odu_agent.contract.manifest import ManifestFile

DATA_FILE = "du-simulator-data.json"
_LOOK_SECONDS = 0.05


class CDevice:
    """One device.

    Args:
        config: As our agent has it; `simulator` is not used.
    """

    def __init__(self, config: AgentConfig) -> None:
        from odu_agent.reporting import Reporter

        self.agent = CAgent(
            config.manufacturer,
            config.model,
            read=self._read,
            download=lambda _: self._code,
            install=lambda: self._code,
        )
        self._config = config
        self._content = _Content(config)
        self._reporter = Reporter()
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._has_news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._leaving = threading.Event()
        self._ordered = Ordered(None)
        self._code = 0

    async def run(self) -> None:
        """Connect and follow the twin until `stop` is called."""
        from odu_agent.connection import create_client

        client = create_client(self._config)
        tasks = [
            asyncio.create_task(self._follow(client)),
            asyncio.create_task(self._work()),
            asyncio.create_task(self._reporter.run(client.patch_twin_reported_properties)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._leaving.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.shutdown()
            self._content.close()

    async def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def _follow(self, client: Any) -> None:
        from odu_agent.connection import open_connection
        from odu_agent.reporting import own_device_information

        twin = await open_connection(client, self._events.put_nowait)
        section = twin.get("desired") or {}
        await self._hear(section, self.agent.start)
        self._reporter.put(own_device_information(self._config))
        while True:
            # a change, or the whole section again after a new connection
            await self._hear(await self._events.get(), self._told)

    def _told(self, service: Mapping[str, Any] | None) -> list[Report]:
        return self.agent.desired(service) if service else []

    async def _hear(
        self, section: Mapping[str, Any], told: Callable[[Mapping[str, Any] | None], list[Report]]
    ) -> None:
        given = (section.get("deviceUpdate") or {}).get("service")
        service = _without_nulls(given) if given else None
        if service is not None:
            self._ordered = await asyncio.to_thread(self._content.judge, service)
        self._say(told(service))
        if given and not self._ordered.is_of_package:
            self._reporter.put(acknowledgement(given, section["$version"]))
        self._has_news.set()

    def _read(self, _: str) -> Ordered:
        return self._ordered

    async def _work(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while self.agent.is_working:
                await self._act()
                self._say(self.agent.work())

    async def _act(self) -> None:
        held = self.agent.held
        assert held is not None
        name = "download" if held.phase is Phase.DOWNLOAD else "install"
        self._code = await asyncio.to_thread(self._simulate, name)
        if name == "download" and not self._code:
            self._code = await asyncio.to_thread(self._content.fetch, held.links)

    def _simulate(self, phase: str) -> int:
        """Take the time that the data say; the extended result code of a failure, else 0."""
        began = time.monotonic()
        while not self._leaving.wait(_LOOK_SECONDS):
            delays = self._data().get("delaySeconds") or {}
            if time.monotonic() - began >= delays.get(phase, 0):
                break
        entry = self._data().get(phase) or {}
        entry = entry.get("*", entry)
        if entry.get("resultCode", 1) > 0:
            return 0
        return int(entry.get("extendedResultCode") or Erc.HANDLER_INSTALL_EXCEPTION)

    def _data(self) -> Mapping[str, Any]:
        data: dict[str, Any] = json.loads((self._config.data_folder / DATA_FILE).read_text())
        return data

    def _say(self, reports: list[Report]) -> None:
        for report in reports:
            self._reporter.put(report)


class _Content:
    """What the device verifies and downloads."""

    def __init__(self, config: AgentConfig) -> None:
        from odu_agent.download import Downloader
        from odu_agent.state import DeviceState, private_folder
        from odu_agent.verification import Verifier

        self._folder = private_folder(Path(config.data_folder))
        self._downloader = Downloader(ca_file=config.ca_file)
        self._verifier = Verifier(config.root_keys, DeviceState(self._folder), self._downloader)
        self._files: dict[frozenset[str], dict[str, ManifestFile]] = {}
        """By the ids that have links."""

    def close(self) -> None:
        """Give up connections."""
        self._downloader.close()

    def judge(self, service: Mapping[str, Any]) -> Ordered:
        """Read and verify what is ordered."""
        from odu_agent.verification import VerificationError
        from odu_agent.workflow import CommandError, parse_command

        try:
            command = parse_command(service)
        except CommandError:
            return Ordered(None)
        if int(command.action) == Action.CANCEL:
            return Ordered(None)
        try:
            self._verifier.refresh_root_keys(command.root_key_package_url)
        except VerificationError as error:
            return Ordered(None, error.erc, is_of_package=True)
        try:
            manifest = self._verifier.verify(command)
        except VerificationError as error:
            return Ordered(None, error.erc)
        if manifest.detached_manifest_file_id is not None:
            return Ordered(None)
        self._files[frozenset(command.file_urls)] = dict(manifest.files)
        identity = manifest.update_id
        return Ordered(ManifestUpdateId(identity.provider, identity.name, identity.version))

    def fetch(self, links: Mapping[str, str]) -> int:
        """Download with these links what their manifest lists; the extended result code, or 0."""
        from odu_agent.contract.manifest import (
            ManifestError,
            parse_detached,
            parse_update_manifest,
        )
        from odu_agent.fetching import DownloadError

        files = self._files[frozenset(links)]
        try:
            for file_id, file in files.items():
                content = self._get(links, file_id, file)
                if file.file_name.endswith(".updatemanifest.json"):
                    child = parse_update_manifest(
                        parse_detached(content.decode()), check_version=False
                    )
                    for its_id, its_file in child.files.items():
                        self._get(links, its_id, its_file)
        except (DownloadError, ManifestError) as error:
            return error.erc
        return 0

    def _get(self, links: Mapping[str, str], file_id: str, file: ManifestFile) -> bytes:
        target = self._folder / file_id
        # As the C agent's: a cancel does not end a download.
        self._downloader.fetch(links[file_id], file, target, threading.Event())
        content = target.read_bytes()
        target.unlink()
        return content


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return value
