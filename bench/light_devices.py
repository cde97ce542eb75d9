"""Devices that do the least, many in one process: the agent's own connection without the agent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Callable
from itertools import batched
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.told import Told
from local.fleet.registry import registry
from local.stack.running import REPOSITORY, Stack
from shared.contract.codes import Action, AgentState
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import result_report, startup_report, workflow_member

_BULK = 100
_CONNECTED_AT_ONCE = 16


class LightDevices:
    """So many devices of a group, connected to the hub while the context lasts.

    One that is asked for an update takes note, says that it has begun, and that it is installed.
    """

    def __init__(
        self, stack: Stack, group: str, count: int, told: Told, say: Callable[[str], None]
    ) -> None:
        self._stack, self._group, self._told, self._say = stack, group, told, say
        self._names = [f"{group}-{number}" for number in range(count)]
        self._clients: list[Any] = []
        self._context: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Create, connect and introduce every device."""
        await asyncio.to_thread(self._create)
        limit, connected = asyncio.Semaphore(_CONNECTED_AT_ONCE), 0

        async def connect(name: str) -> None:
            nonlocal connected
            async with limit:
                await self._connect(name)
            connected += 1
            if connected % 500 == 0:
                self._say(f"{connected} devices are connected")

        await asyncio.gather(*(connect(name) for name in self._names))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(client.shutdown() for client in self._clients))

    async def _connect(self, name: str) -> None:
        folder = str(REPOSITORY / "agent")
        if folder not in sys.path:
            sys.path.append(folder)
        from odu_agent.connection import tls_context
        from odu_agent.hub.identity import FixedIdentity, identity_of
        from odu_agent.hub.mqtt import MqttHubClient

        if self._context is None:
            self._context = tls_context(Path(self._stack.ca_file), None)
        hub = f"HostName=localhost:{self._stack.hub_port}"
        text = f"{hub};DeviceId={name};SharedAccessKey={_key(name)}"
        client = MqttHubClient(FixedIdentity(identity_of(text, None)), lambda _: self._context)
        seen: set[str] = set()

        async def patched(patch: Any) -> None:
            service = (patch.get("deviceUpdate") or {}).get("service")
            if not service or service["workflow"]["action"] != Action.PROCESS_DEPLOYMENT:
                return
            if service["workflow"]["id"] in seen:
                return
            seen.add(service["workflow"]["id"])
            self._told.know()
            task = asyncio.create_task(self._install(client, service))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        client.on_twin_desired_properties_patch_received = patched
        await client.connect()
        self._clients.append(client)
        await client.get_twin()
        await client.patch_twin_reported_properties(startup_report("contoso", "toaster"))

    async def _install(self, client: Any, service: Any) -> None:
        asked = service["workflow"]
        workflow = workflow_member(asked["action"], asked["id"], asked.get("retryTimestamp"))
        update = ManifestUpdateId(**json.loads(service["updateManifest"])["updateId"])
        for report in (
            result_report(AgentState.DEPLOYMENT_IN_PROGRESS, 1, workflow=workflow),
            result_report(AgentState.IDLE, 700, workflow=workflow, installed_update_id=update),
        ):
            await client.patch_twin_reported_properties(report)
        self._told.end()

    def _create(self) -> None:
        from azure.iot.hub.models import AuthenticationMechanism, ExportImportDevice, SymmetricKey

        client = registry(self._stack)
        for some in batched(self._names, _BULK, strict=False):
            client.bulk_create_or_update_devices(
                [
                    ExportImportDevice(
                        id=name,
                        import_mode="create",
                        status="enabled",
                        authentication=AuthenticationMechanism(
                            type="sas",
                            symmetric_key=SymmetricKey(
                                primary_key=_key(name), secondary_key=_key(name)
                            ),
                        ),
                        tags={"ADUGroup": self._group},
                    )
                    for name in some
                ]
            )


def _key(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
