"""A bare MQTT client, for what the device SDK cannot be made to do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from local.cloud.iothub.mqtt_codec import Decoder, encode
from local.cloud.iothub.mqtt_packets import Connack, Connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.cloud.iothub.mqtt_packets import Packet
    from tests.integration.iothub.conftest import Hub

PATIENCE = 10.0


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.code = -1
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(1 << 20)
        self._packets: list[Packet] = []

    async def send(self, *packets: Packet) -> None:
        await self.send_bytes(b"".join(map(encode, packets)))

    async def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> Packet:
        async with asyncio.timeout(PATIENCE):
            while not self._packets:
                data = await self._reader.read(65536)
                assert data, "the hub closed the connection"
                self._decoder.feed(data)
                self._packets += self._decoder.packets()
        return self._packets.pop(0)

    async def receive_a[T](self, kind: type[T]) -> T:
        while True:
            packet = await self.receive()
            if isinstance(packet, kind):
                return packet

    async def ended(self) -> None:
        """Wait until the hub has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                while await self._reader.read(65536):
                    pass
            except ConnectionError:
                return


@asynccontextmanager
async def open_connection(hub: Hub) -> AsyncIterator[Client]:
    """Open TLS to the hub, without a proxy."""
    reader, writer = await asyncio.open_connection(
        "localhost", hub.server.port, ssl=hub.certificates.client_context()
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def connect(hub: Hub, device_id: str, password: str, **fields: Any) -> AsyncIterator[Client]:
    """Connect a device; `code` of the client is that of the CONNACK."""
    username = f"localhost/{device_id}/?api-version=2019-10-01"
    async with open_connection(hub) as client:
        await client.send(Connect(device_id, username, password, **fields))
        client.code = (await client.receive_a(Connack)).code
        yield client
