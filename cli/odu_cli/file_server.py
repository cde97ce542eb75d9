"""Serves files on loopback for as long as an import reads them; a publisher's web server in small.

Addresses hold a random part: other users of this machine cannot guess them.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from aiohttp import web

from odu_cli.manifest_builder import measure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class LoopbackServer:
    """Answers GET requests on loopback while its block lasts; an async context manager.

    Args:
        shutdown_seconds: How long answers may go on once the block has ended.
    """

    def __init__(self, shutdown_seconds: float = 1.0) -> None:
        self.base = ""
        """URL of the server, without a slash at its end."""
        app = web.Application()
        app.router.add_get("/{name:.+}", self.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_seconds)

    async def __aenter__(self) -> Self:
        """Start serving."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; its path without the slash is `request.match_info["name"]`."""
        raise NotImplementedError


class FileServer(LoopbackServer):
    """Serves what it is given, from memory or from disk."""

    def __init__(self) -> None:
        super().__init__()
        self._content: dict[str, Path | bytes] = {}

    def offer(
        self,
        manifest: bytes,
        files: Mapping[str, Path | bytes],
        friendly_name: str | None = None,
    ) -> dict[str, Any]:
        """Serve an update; the item of an import request for it."""
        folder = secrets.token_urlsafe(16)
        size, sha256 = measure(manifest)
        item: dict[str, Any] = {
            "importManifest": {
                "url": self._put(folder, "importmanifest.json", manifest),
                "sizeInBytes": size,
                "hashes": {"sha256": sha256},
            },
            "files": [
                {"filename": name, "url": self._put(f"{folder}/files", name, content)}
                for name, content in files.items()
            ],
        }
        if friendly_name is not None:
            item["friendlyName"] = friendly_name
        return item

    def _put(self, folder: str, name: str, content: Path | bytes) -> str:
        self._content[f"{folder}/{name}"] = content
        return f"{self.base}/{folder}/{quote(name, safe='')}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """See `LoopbackServer`."""
        content = self._content.get(request.match_info["name"])
        if content is None:
            raise web.HTTPNotFound
        if isinstance(content, Path):
            return web.FileResponse(content)
        return web.Response(body=content)
