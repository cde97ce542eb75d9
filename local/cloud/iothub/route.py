"""Routes the hub's messages to the event hub of another stand-in, at least once and in order.

So several hubs feed one event hub, as the routes of several IoT hubs to one Event Hubs namespace
do. The own log is the outbox; how far it is sent is kept beside it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import aiohttp

from local.cloud.iothub.events import read_events

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.functions_host.event_hub_endpoint import Endpoint
    from local.cloud.iothub.events import Outlet
    from local.cloud.iothub.store import Store, Transaction
    from local.cloud.iothub.twin import Json

_log = logging.getLogger(__name__)
_EVENT_HUB = "twins"
_BATCH = 200
_DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)
_IDLE = 30.0
_TOKEN_SECONDS = 3600
_MESSAGE = ("partitionKey", "systemProperties", "properties", "body")


class Router:
    """Sends the partitions of the log, side by side."""

    def __init__(self, store: Store, outlet: Outlet, endpoint: Endpoint) -> None:
        self._store = store
        self._outlet = outlet
        self._endpoint = endpoint

    async def run(self) -> None:
        """Send for ever."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.TaskGroup() as partitions,
        ):
            for partition in range(self._outlet.partitions):
                partitions.create_task(self._forward(session, partition))

    async def _forward(self, session: aiohttp.ClientSession, partition: int) -> None:
        position = await self._store.read(partial(_position, partition=partition))
        failures = 0
        while True:
            events = await read_events(
                self._store, self._outlet, partition, position, _BATCH, _IDLE
            )
            if not events:
                continue
            if await self._send(session, events):
                failures = 0
                position = events[-1]["sequenceNumber"]
                await self._store.write(partial(_move, partition=partition, position=position))
            else:
                await asyncio.sleep(_DELAYS[min(failures, len(_DELAYS) - 1)])
                failures += 1

    async def _send(self, session: aiohttp.ClientSession, events: list[Json]) -> bool:
        messages = [{name: event[name] for name in _MESSAGE} for event in events]
        url = f"https://{self._endpoint.host}:{self._endpoint.port}/{_EVENT_HUB}/messages"
        expires = int(time.time()) + _TOKEN_SECONDS
        headers = {"Authorization": self._endpoint.authorization(_EVENT_HUB, expires)}
        try:
            async with session.post(url, json=messages, headers=headers) as response:
                if response.ok:
                    return True
                _log.warning("the event hub answered %d", response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("the event hub is not reachable: %s", type(error).__name__)
        return False


def _name(partition: int) -> str:
    return f"routed-{partition}"


def _position(connection: sqlite3.Connection, partition: int) -> int:
    row = connection.execute(
        "SELECT value FROM counters WHERE name = ?", (_name(partition),)
    ).fetchone()
    return int(row[0]) if row else 0


def _move(tx: Transaction, partition: int, position: int) -> None:
    tx.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", _name(partition), position)
