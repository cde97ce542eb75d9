"""A world with scanners that can be told what to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.updates.update import Update, hex_of
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.services.scanning.defender import DefenderScanner
from shared.services.scanning.evidence import Evidence
from shared.settings import ScanSettings, Settings
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer, sha256

SCRIPT = b"#!/bin/sh\necho done\n"


FILES = {"apply.sh": SCRIPT}


OWN = UpdateId.parse(a_source_manifest(FILES)["updateId"])


WAIT_SECONDS = 600.0


class ScanWorld(World):
    """The world with Microsoft Defender as a second engine, if asked, and with re-scans."""

    def __init__(self, *, has_defender: bool = False) -> None:
        self.has_defender = has_defender
        super().__init__()

    def ports(self) -> Any:
        ports = super().ports()
        if self.has_defender:
            ports.scanners = [*ports.scanners, DefenderScanner(Evidence(ports.blobs, ports.sealer))]
        return ports

    def settings(self) -> Settings:
        return replace(super().settings(), scan=ScanSettings(defender_wait_seconds=WAIT_SECONDS))

    async def begin(self, **changes: Any) -> str:
        """Ask for an import of `OWN`, changed as given."""
        item = offer(self, a_source_manifest(FILES, **changes), FILES)
        return await self.imports.start(INSTANCE, [item], "trace")

    async def step(self) -> None:
        """Deliver each message and blob event that is there now, once."""
        for message in [*self.queues.take(), *self._scan_requests()]:
            await self._deliver(message)

    async def waiting(self, **changes: Any) -> str:
        """An import that has come to wait for Defender."""
        identity = await self.begin(**changes)
        for _ in range(2):
            await self.step()
        assert (await self.operation(identity)).awaited == ("apply.sh",)
        return identity

    def event(self, identity: str, **changes: Any) -> dict[str, Any]:
        """What Defender tells of the file of an import."""
        name = f"{INSTANCE}/{identity}/0/0"
        facts = self.blobs.contents["quarantine", name][1]
        return {
            "blobUri": self.blobs.address("quarantine", name),
            "eTag": facts["etag"],
            "scanResultType": "No threats found",
            "scanResultDetails": {"sha256": hex_of(sha256(SCRIPT)).upper()},
            **changes,
        }

    async def shown(self, identity: str) -> models.Operation:
        """An operation as the REST API shows it."""
        stored = await self.operations.get(INSTANCE, identity)
        assert stored is not None
        return wire.operation(INSTANCE, stored, "2022-10-01")

    async def update(self, update_id: UpdateId = OWN) -> Update:
        stored = await self.updates.get(INSTANCE, update_id)
        assert stored is not None
        return stored.value


async def published(**changes: Any) -> ScanWorld:
    world = ScanWorld()
    await world.begin(**changes)
    await world.drain()
    assert await world.published()
    return world
