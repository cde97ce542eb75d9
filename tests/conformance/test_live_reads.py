"""Reads that are polled answer 304 while nothing has changed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp

from tests.waiting import eventually

if TYPE_CHECKING:
    from local.stack.running import Stack


async def test_compliance_and_event_health_are_read_live(stack: Stack) -> None:
    context = ssl.create_default_context(cafile=stack.ca_file)
    connector = aiohttp.TCPConnector(ssl=context)
    headers = {"Authorization": f"Bearer {stack.token('Reader')}"}
    base = f"/deviceUpdate/{stack.instance}/management"
    query = {"api-version": "2022-10-01"}

    async with aiohttp.ClientSession(
        stack.endpoint, connector=connector, headers=headers
    ) as session:

        async def is_unchanged() -> None:
            address = f"{base}/updateCompliance"
            async with session.get(address, params=query) as answer:
                assert answer.status == 200
                tag = answer.headers["ETag"]
            conditional = {"If-None-Match": tag}
            async with session.get(address, params=query, headers=conditional) as answer:
                assert (answer.status, await answer.read()) == (304, b"")

        await eventually(is_unchanged)
        async with session.get(f"{base}/eventHealth", params=query) as answer:
            health = await answer.json()
    assert answer.status == 200
    assert {"refusedEvents", "counterDrifts", "recountedBucketCount"} <= health.keys()
