"""Events on their way into a running stack, and when nothing is on its way any more."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import aiohttp

from local.cloud.functions_host.event_hub_endpoint import Endpoint
from local.stack.running import Stack
from local.tools.replay.offline_hub import PARTITIONS
from local.tools.replay.recording import Channel, Event
from local.tools.replay.stored import Storage
from shared.topology import TWINS_EVENT_HUB

_AT_ONCE = 200
_MOST_WAITING = 1500
"""Events on their way and messages in queues; more events are sent as these are dealt with.
Azurite slows down with the length of its queues, and everything with it.
"""
_LOOK_SECONDS = 0.1
_TOKEN_SECONDS = 3600


@dataclass(slots=True)
class Pipeline:
    """Sends events where the hub does: messages to the event hub, the others to Event Grid.

    What is sent is put into one stream, so both ways are about as far at any time.
    """

    stack: Stack
    storage: Storage
    session: aiohttp.ClientSession
    _hub: Endpoint = field(init=False)
    _sent: int = field(default=0, init=False)
    """Messages that the log of the event hub holds at least."""

    def __post_init__(self) -> None:
        parts = dict(
            part.partition("=")[::2] for part in self.stack.iot_hub_connection_string.split(";")
        )
        key = base64.b64decode(parts["SharedAccessKey"])
        self._hub = Endpoint("localhost", self.stack.hub_port, parts["SharedAccessKeyName"], key)

    async def send(self, events: Iterable[Event]) -> AsyncIterator[int]:
        """Send events, no faster than they are dealt with; how many are sent, again and again."""
        self._sent = sum((await self.storage.checkpoints()).values())
        count = 0
        for some in batched(events, _AT_ONCE, strict=False):
            await self._room()
            messages = [event.body for event in some if event.channel is Channel.STREAM]
            others = [event.body for event in some if event.channel is Channel.GRID]
            await asyncio.gather(self._to_event_hub(messages), self._to_event_grid(others))
            count += len(some)
            yield count

    async def until_quiet(self, seconds: float) -> None:
        """Return when nothing is on its way.

        Raises:
            TimeoutError: Something still is.
        """
        deadline = time.monotonic() + seconds
        while left := (await self._waiting() or await self._waiting()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {seconds:.0f} s there are still {left}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def delivered(self, subscription: str) -> int:
        """Events of a subscription that the service has taken."""
        return sum(
            int(each["delivered"])
            for each in await self._subscriptions()
            if each["name"] == subscription
        )

    async def _waiting(self) -> str:
        """What is on its way, in words; empty if nothing is.

        Looked at in the order in which work flows, so that none slips by.
        """
        checkpoints = await self.storage.checkpoints()
        for partition in range(PARTITIONS):
            if await self._follows(partition, checkpoints.get(partition, 0)):
                return f"messages in partition {partition} of the event hub"
        if pending := await self._at_event_grid():
            return f"{pending} events at Event Grid"
        messages = await self.storage.messages()
        return ", ".join(f"{count} messages in {name}" for name, count in messages.items())

    async def _room(self) -> None:
        while await self._backlog() > _MOST_WAITING:  # noqa: ASYNC110 (of other processes)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _backlog(self) -> int:
        read = sum((await self.storage.checkpoints()).values())
        messages = sum((await self.storage.messages()).values())
        return max(self._sent - read, 0) + await self._at_event_grid() + messages

    async def _at_event_grid(self) -> int:
        return sum(int(each["pending"]) for each in await self._subscriptions())

    async def _subscriptions(self) -> Sequence[Mapping[str, Any]]:
        url = f"{self.stack.event_grid_endpoint}/admin/subscriptions"
        headers = {"aeg-admin-key": self.stack.event_grid_admin_key}
        async with self.session.get(url, headers=headers) as response:
            response.raise_for_status()
            found: Sequence[Mapping[str, Any]] = (await response.json())["value"]
            return found

    async def _follows(self, partition: int, position: int) -> bool:
        path = f"/partitions/{partition}/events?after={position}&max=1&wait=0"
        async with self.session.get(self._address(path), headers=self._signed()) as response:
            response.raise_for_status()
            return bool((await response.json())["events"])

    async def _to_event_hub(self, messages: Sequence[bytes]) -> None:
        if messages:
            await self._post(self._address("/messages"), messages, self._signed())
            self._sent += len(messages)

    async def _to_event_grid(self, events: Sequence[bytes]) -> None:
        if events:
            url = f"{self.stack.event_grid_endpoint}/topics/iothub/api/events"
            await self._post(url, events, {"aeg-sas-key": self.stack.event_grid_topic_key})

    async def _post(self, url: str, items: Sequence[bytes], headers: Mapping[str, str]) -> None:
        body = b"[" + b",".join(items) + b"]"
        given = {"Content-Type": "application/json; charset=utf-8", **headers}
        async with self.session.post(url, data=body, headers=given) as response:
            response.raise_for_status()

    def _address(self, path: str) -> str:
        return f"https://{self._hub.host}:{self._hub.port}/{TWINS_EVENT_HUB}{path}"

    def _signed(self) -> dict[str, str]:
        expires = int(time.time()) + _TOKEN_SECONDS
        return {"Authorization": self._hub.authorization(TWINS_EVENT_HUB, expires)}


@asynccontextmanager
async def pipeline(stack: Stack) -> AsyncIterator[Pipeline]:
    """A pipeline into a stack."""
    context = ssl.create_default_context(cafile=stack.ca_file)
    connector = aiohttp.TCPConnector(ssl=context)
    async with Storage(stack) as storage, aiohttp.ClientSession(connector=connector) as session:
        yield Pipeline(stack, storage, session)
