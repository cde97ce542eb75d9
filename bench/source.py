"""A file server in a process of its own: `python -m bench.source` prints its URL.

It serves files of any size in constant memory: `GET /files/NAME/BYTES` is one of that many bytes,
the same each time, and another name gives other bytes. `PUT /documents/NAME` keeps a small document
to be read at the same place. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from aiohttp import web

_BLOCK_BYTES = 1 << 20
_REST = random.Random(1).randbytes(_BLOCK_BYTES)


def blocks(name: str, size: int) -> Iterator[bytes]:
    """The content of a file, block by block."""
    first = hashlib.shake_256(name.encode()).digest(_BLOCK_BYTES)
    yield first[:size]
    for begin in range(_BLOCK_BYTES, size, _BLOCK_BYTES):
        yield _REST[: size - begin]


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Run the server within the block; its base URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.source"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        await process.communicate()


async def _serve(request: web.Request) -> web.StreamResponse:
    name, size = request.match_info["name"], int(request.match_info["size"])
    response = web.StreamResponse(headers={"Content-Length": str(size)})
    await response.prepare(request)
    for block in blocks(name, size):
        await response.write(block)
    await response.write_eof()
    return response


def _application() -> web.Application:
    documents: dict[str, bytes] = {}

    async def keep(request: web.Request) -> web.Response:
        documents[request.match_info["name"]] = await request.read()
        return web.Response(status=201)

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=documents[request.match_info["name"]])

    app = web.Application()
    app.router.add_get("/files/{name}/{size}", _serve)
    app.router.add_put("/documents/{name}", keep)
    app.router.add_get("/documents/{name}", read)
    return app


async def _main() -> None:
    runner = web.AppRunner(_application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_main())
