"""A firmware publisher: builds updates from real files and offers them by URL or by blob drop."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

PROVIDER, NAME = "contoso", "appliance"
COMPATIBILITY = (
    {"manufacturer": "contoso", "model": "toaster"},
    {"manufacturer": "contoso", "model": "fridge"},
)
_EICAR_HEAD = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-"
_EICAR_TAIL = rb"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The industry's harmless test virus, in halves, so that no scanner takes this file for it."""


@dataclass(frozen=True, slots=True)
class UpdatePackage:
    """An import manifest and the files that it names."""

    version: str
    manifest: bytes
    files: Mapping[str, bytes]

    @property
    def update_id(self) -> dict[str, str]:
        """The identity that it is imported under."""
        return {"provider": PROVIDER, "name": NAME, "version": self.version}


def build(version: str, *, is_infected: bool = False) -> UpdatePackage:
    """Make an update of the agent's own sources and an installation script."""
    members = {
        path.name: path.read_bytes()
        for path in sorted((Path(__file__).parents[2] / "agent" / "odu_agent").glob("*.py"))
    }
    if is_infected:
        members["readme.txt"] = _EICAR_HEAD + _EICAR_TAIL
    files = {
        "install.sh": f"#!/bin/sh\necho installing {version}\n".encode(),
        f"firmware-{version}.tar.gz": _archive(members),
    }
    return UpdatePackage(version, _manifest(version, files), files)


def _archive(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _manifest(version: str, files: Mapping[str, bytes]) -> bytes:
    document = {
        "manifestVersion": "5.0",
        "updateId": {"provider": PROVIDER, "name": NAME, "version": version},
        "description": f"Appliance firmware {version}",
        "compatibility": COMPATIBILITY,
        "instructions": {
            "steps": [
                {
                    "handler": "microsoft/script:1",
                    "files": list(files),
                    "handlerProperties": {
                        "scriptFileName": "install.sh",
                        "installedCriteria": version,
                    },
                }
            ]
        },
        "files": [
            {"filename": name, "sizeInBytes": len(content), "hashes": {"sha256": _sha256(content)}}
            for name, content in files.items()
        ],
        "createdDateTime": "2026-01-01T00:00:00Z",
    }
    return json.dumps(document, indent=1).encode()


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


class Publisher:
    """Offers updates at loopback addresses; an async context manager."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}
        self._runner: web.AppRunner | None = None
        self._base = ""

    async def __aenter__(self) -> Self:
        """Start serving."""
        app = web.Application()
        app.router.add_get("/{name:.+}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
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
        """Stop serving."""
        assert self._runner is not None
        await self._runner.cleanup()

    def offer(self, package: UpdatePackage) -> Sequence[dict[str, Any]]:
        """Serve an update; the body of the import request for it."""
        folder = f"{package.version}/"
        self._content[folder + "manifest.json"] = package.manifest
        for name, content in package.files.items():
            self._content[folder + name] = content
        address = f"{self._base}/{folder}"
        return [
            {
                "importManifest": {
                    "url": address + "manifest.json",
                    "sizeInBytes": len(package.manifest),
                    "hashes": {"sha256": _sha256(package.manifest)},
                },
                "friendlyName": f"Appliance {package.version}",
                "files": [{"filename": name, "url": address + name} for name in package.files],
            }
        ]

    async def _serve(self, request: web.Request) -> web.Response:
        content = self._content.get(request.match_info["name"])
        if content is None:
            raise web.HTTPNotFound
        return web.Response(body=content)


async def drop(connection_string: str, container: str, package: UpdatePackage) -> str:
    """Put an update into the drop container, files first; the name of its status blob to be."""
    from azure.storage.blob.aio import BlobServiceClient

    folder = f"releases/{package.version}"
    async with BlobServiceClient.from_connection_string(connection_string) as service:
        client = service.get_container_client(container)
        for name, content in package.files.items():
            await client.upload_blob(f"{folder}/{name}", content, overwrite=True)
        await client.upload_blob(
            f"{folder}/appliance.importmanifest.json", package.manifest, overwrite=True
        )
    return f"{folder}/appliance.importstatus.json"


async def read_status(connection_string: str, container: str, name: str) -> dict[str, Any] | None:
    """The status blob beside a dropped manifest; None until there is one."""
    from azure.core.exceptions import ResourceNotFoundError
    from azure.storage.blob.aio import BlobServiceClient

    async with BlobServiceClient.from_connection_string(connection_string) as service:
        try:
            blob = await service.get_blob_client(container, name).download_blob()
        except ResourceNotFoundError:
            return None
        status: dict[str, Any] = json.loads(await blob.readall())
        return status
