"""Updates made for one test: an import manifest and its files, under a name of their own."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDER = "contoso"
MANUFACTURER = "contoso"


def unique(kind: str) -> str:
    """A name that no other test uses."""
    return f"{kind}-{uuid.uuid4().hex[:10]}"


def sha256(content: bytes) -> str:
    """The base64 of the digest, as manifests have it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@dataclass(frozen=True, slots=True)
class Package:
    """An import manifest, as a document that a test may still change, and its files."""

    document: dict[str, Any]
    files: dict[str, bytes]

    @property
    def update_id(self) -> dict[str, str]:
        identity: dict[str, str] = self.document["updateId"]
        return identity

    @property
    def manifest(self) -> bytes:
        return json.dumps(self.document).encode()

    @property
    def path(self) -> str:
        """Where the API has the update."""
        identity = self.update_id
        return (
            f"updates/providers/{identity['provider']}/names/{identity['name']}"
            f"/versions/{identity['version']}"
        )


def make_package(
    model: str,
    *,
    name: str | None = None,
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> Package:
    """An update for one device model, with one step that takes all its files.

    Args:
        model: The model that it fits.
        name: Its name; by default that of the model, for a kind of device has one name of updates.
        version: Its version.
        files: Its files; by default one small script.
        changes: Other members of the manifest, or new values.
    """
    name = name or model
    content = dict(files or {"install.sh": f"#!/bin/sh\n# {name} {version}\n".encode()})
    document = {
        "manifestVersion": "5.0",
        "updateId": {"provider": PROVIDER, "name": name, "version": version},
        "compatibility": [{"manufacturer": MANUFACTURER, "model": model}],
        "instructions": {"steps": [inline_step(*content, criteria=f"{name} {version}")]},
        "files": [file_entry(*item) for item in content.items()],
        "createdDateTime": "2026-01-01T00:00:00Z",
        **changes,
    }
    return Package(document, content)


def inline_step(*files: str, criteria: str) -> dict[str, Any]:
    """A step that the script handler carries out."""
    return {
        "handler": "microsoft/script:1",
        "files": list(files),
        "handlerProperties": {"scriptFileName": files[0], "installedCriteria": criteria},
    }


def file_entry(name: str, content: bytes) -> dict[str, Any]:
    """A file as a manifest lists it."""
    return {"filename": name, "sizeInBytes": len(content), "hashes": {"sha256": sha256(content)}}
