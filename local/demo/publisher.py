"""A firmware publisher: builds updates from real files."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odu_cli.file_server import FileServer
from odu_cli.manifest_builder import UpdatePlan, build_manifest, file_entry

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

    def offered(self, server: FileServer) -> dict[str, Any]:
        """Have it served; the item of an import request for it."""
        return server.offer(self.manifest, self.files, f"Appliance {self.version}")


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
    plan = UpdatePlan(
        update_id={"provider": PROVIDER, "name": NAME, "version": version},
        description=f"Appliance firmware {version}",
        compatibility=COMPATIBILITY,
        handler_properties={"scriptFileName": "install.sh", "installedCriteria": version},
    )
    entries = [file_entry(name, content) for name, content in files.items()]
    return json.dumps(build_manifest(plan, entries), indent=1).encode()
