"""Agents connected to a real hub stand-in."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from odu_agent import Agent, AgentConfig

from tests.integration.iothub.conftest import DEVICE_KEY, Hub, eventually
from tests.unit.agent.content_server import ContentServer
from tests.unit.agent.fixtures import QUICK, Update, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def hub_config(hub: Hub, device_id: str, folder: Path, **changes: Any) -> AgentConfig:
    members: dict[str, Any] = {
        "connection_string": connection_string(hub, device_id),
        "ca_file": hub.certificates.authority,
    }
    return config(folder, **{**members, **changes})


def connection_string(hub: Hub, device_id: str) -> str:
    return f"HostName={hub.host};DeviceId={device_id};SharedAccessKey={DEVICE_KEY}"


async def installs(
    hub: Hub, name: str, settings: AgentConfig, server: ContentServer, *, patch: Any = None
) -> None:
    """Run an agent until its twin says that it has installed what it was told."""
    patch = patch or hub.patch
    service = Update(server).service(f"w-{name}")
    await patch(name, desired={"deviceUpdate": {"__t": "c", "service": service}})
    async with running(Agent(settings, limits=QUICK)):
        await reports(hub, name, f"w-{name}")


async def reports(hub: Hub, name: str, workflow_id: str) -> None:
    async def is_done() -> bool:
        twin = await hub.service("get_twin", name)
        agent = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
        return agent.get("state") == 0 and agent.get("workflow", {}).get("id") == workflow_id

    async with asyncio.timeout(60):
        while True:
            try:
                await eventually(is_done)
            except TimeoutError:
                continue
            return


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[None]:
    running = asyncio.create_task(agent.run())
    try:
        yield
    finally:
        await agent.stop()
        await running
