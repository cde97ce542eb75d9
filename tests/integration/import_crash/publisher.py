"""A publisher's web server that answers ranges and conditions, as real ones do."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

_RANGE = re.compile(r"bytes=(\d+)-")


class RangeServer:
    """Serves contents by path on loopback; an async context manager."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.offsets: list[tuple[str, int]] = []
        """Path and first byte of every request."""
        self._runner: web.AppRunner | None = None
        self._base = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{name:.+}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def put(self, name: str, content: bytes) -> str:
        """Serve some bytes; their URL."""
        self.contents[name] = content
        return f"{self._base}/{name}"

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = self.contents[name]
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if request.headers.get("If-Match", etag) != etag:
            return web.Response(status=412)
        asked = _RANGE.fullmatch(request.headers.get("Range", ""))
        offset = int(asked[1]) if asked else 0
        self.offsets.append((name, offset))
        headers = {"ETag": etag}
        if asked:
            headers["Content-Range"] = f"bytes {offset}-{len(content) - 1}/{len(content)}"
        return web.Response(body=content[offset:], status=206 if asked else 200, headers=headers)
