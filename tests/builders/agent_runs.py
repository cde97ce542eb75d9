"""Runs of the agent against a hub in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from odu_agent.agent import Agent

from tests.unit.agent.fake_hub import FakeHub
from tests.unit.agent.fixtures import QUICK, Update, config

SUCCESS = "00000000,A0000008"


UNCHANGED = "00000000,A0000FFF"


@asynccontextmanager
async def agent(hub: FakeHub, folder: Path, **changes: Any) -> AsyncIterator[None]:
    agent = Agent(config(folder, **changes), client_factory=hub.make_client, limits=QUICK)
    starts = sum("deviceInformation" in report for report in hub.reports)
    running = asyncio.create_task(agent.run())
    try:
        await hub.until(
            lambda: sum("deviceInformation" in report for report in hub.reports) > starts
        )
        yield
    finally:
        await agent.stop()
        await running
    assert hub.client is not None
    assert hub.client.is_shut_down


async def deploy(hub: FakeHub, update: Update, **options: Any) -> dict[str, Any]:
    service = update.service(**options)
    await hub.desire_service(service)
    return await hub.until_end(service["workflow"]["id"])


def codes_of(report: dict[str, Any]) -> tuple[int, int, str]:
    result = report["lastInstallResult"]
    return report["state"], result["resultCode"], result["extendedResultCodes"]
