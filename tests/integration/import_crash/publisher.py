"""A publisher's web server that answers ranges and conditions, as real ones do."""

from __future__ import annotations

import hashlib
import re

from aiohttp import web

from odu_cli.file_server import LoopbackServer

_RANGE = re.compile(r"bytes=(\d+)-")


class RangeServer(LoopbackServer):
    """Serves contents by path."""

    def __init__(self) -> None:
        super().__init__(shutdown_seconds=0.1)
        self.contents: dict[str, bytes] = {}
        self.offsets: list[tuple[str, int]] = []
        """Path and first byte of every request."""

    def put(self, name: str, content: bytes) -> str:
        """Serve some bytes; their URL."""
        self.contents[name] = content
        return f"{self.base}/{name}"

    async def answer(self, request: web.Request) -> web.Response:
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
