"""An HTTP proxy for CONNECT that can be told to refuse and to drop what it carries."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Listens on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        """What it answers instead of connecting."""
        self.targets: list[str] = []
        self._refused = asyncio.Semaphore(0)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop_all()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def drop_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def refused(self, count: int) -> None:
        """Wait until that many connections were refused."""
        async with asyncio.timeout(60):
            for _ in range(count):
                await self._refused.acquire()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ")[1].decode()
            self.targets.append(target)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                self._refused.release()
            else:
                await self._connect(target, reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _connect(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, port = target.rsplit(":", 1)
        there, back = await asyncio.open_connection(host, int(port))
        self._writers.add(back)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._writers.discard(back)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
