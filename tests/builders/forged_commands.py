"""Builders and looks that tests of forged commands share."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.packages import Package, unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.product import Product


FAILED = 255


Service = dict[str, Any]


@asynccontextmanager
async def updated_devices(product: Product, **packages: Package) -> AsyncIterator[list[str]]:
    """Connected devices, one of each model, that have installed its package by a deployment."""

    async def update(model: str, package: Package) -> str:
        group = unique("group")
        await fleets.enter_async_context(product.fleet(group, model))
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=1)
        return f"{model}-0"

    async with AsyncExitStack() as fleets:
        await asyncio.gather(*(product.publish(package) for package in packages.values()))
        yield await asyncio.gather(*(update(*item) for item in packages.items()))


async def refusal(product: Product, device: str, service: Service) -> str:
    """Write a forged command; the extended result code with which the device refuses it."""
    workflow = str(uuid.uuid4())
    forged = {**service, "workflow": {"action": 3, "id": workflow}}
    await product.command(device, forged)

    async def look() -> dict[str, Any]:
        agent = await product.agent_of(device)
        assert agent["state"] == FAILED, agent
        assert agent["workflow"]["id"] == workflow, agent
        return agent

    agent = await product.eventually(look)
    codes: str = agent["lastInstallResult"]["extendedResultCodes"]
    return codes.partition(",")[0]


async def still_installed(product: Product, device: str, package: Package) -> None:
    agent = await product.agent_of(device)
    assert json.loads(agent["installedUpdateId"]) == package.update_id
