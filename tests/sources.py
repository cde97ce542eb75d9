"""A publisher's file server on loopback, which can hold its answers back or break them off."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from odu_cli.file_server import LoopbackServer
from tests.packages import Package, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


@dataclass(slots=True)
class Gate:
    """Holds an answer back after its first half; `asked` tells that somebody waits for it."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class Sources(LoopbackServer):
    """Serves what tests offer, each under a path of its own."""

    def __init__(self) -> None:
        super().__init__(shutdown_seconds=0.1)
        self.requests: list[str] = []
        """Path and query of every request."""
        self._content: dict[str, bytes] = {}
        self._gates: dict[str, Gate] = {}
        self._numbers = itertools.count(1)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for gate in self._gates.values():
            gate.opened.set()
        await super().__aexit__(kind, error, trace)

    def put(self, content: bytes, name: str = "file") -> str:
        """Serve some bytes; their URL."""
        path = f"{next(self._numbers)}/{name}"
        self._content[path] = content
        return f"{self.base}/{path}"

    def nowhere(self) -> str:
        """A URL that is answered with 404."""
        return f"{self.base}/{next(self._numbers)}/missing"

    def hold(self, url: str) -> Gate:
        """Hold the content of a URL back, after its first half, until the gate is opened."""
        gate = Gate()
        self._gates[url.removeprefix(self.base + "/")] = gate
        return gate

    def offer(self, package: Package, *, query: str = "") -> dict[str, Any]:
        """Serve a package; the item of an import request for it, `query` appended to each URL."""
        return self.offer_bytes(package.manifest, package.files, query=query)

    def offer_bytes(
        self, manifest: bytes, files: Mapping[str, bytes], *, query: str = ""
    ) -> dict[str, Any]:
        """Serve any bytes as an import manifest and as the files that it should name."""
        return {
            "importManifest": {
                "url": self.put(manifest, "manifest.json") + query,
                "sizeInBytes": len(manifest),
                "hashes": {"sha256": sha256(manifest)},
            },
            "files": [
                {"filename": name, "url": self.put(content, name) + query}
                for name, content in files.items()
            ],
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        name = request.match_info["name"]
        content = self._content.get(name)
        if content is None:
            raise web.HTTPNotFound
        gate = self._gates.get(name)
        if gate is None:
            return web.Response(body=content)
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        half = len(content) // 2
        await response.write(content[:half])
        gate.asked.set()
        await gate.opened.wait()
        await response.write(content[half:])
        await response.write_eof()
        return response
