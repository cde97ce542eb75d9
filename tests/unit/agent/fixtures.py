"""A device of these tests: its keys, its updates, its folder."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odu_agent.config import AgentConfig
from odu_agent.contract.encoding import b64
from odu_agent.contract.manifest import (
    ManifestFile,
    ManifestStep,
    ManifestUpdateId,
    UpdateManifest,
    detached_document,
)
from odu_agent.contract.rootkeys import RootKey
from odu_agent.contract.twin import cancel_command, deployment_command
from odu_agent.limits import DownloadLimits

from tests.unit.contract import vectors

from .content_server import ContentServer

HANDLER = "microsoft/script:1"
QUICK = DownloadLimits(
    timeout_seconds=20,
    idle_seconds=5,
    minimum_bytes_per_second=1000,
    rate_window_seconds=0.2,
    attempts=2,
    first_wait_seconds=0.01,
)
_NUMBERS = itertools.count()


def file_of(content: bytes, name: str = "payload.bin", **changes: Any) -> ManifestFile:
    digest = b64(hashlib.sha256(content).digest())
    members: dict[str, Any] = {
        "file_name": name,
        "size_in_bytes": len(content),
        "hashes": {"sha256": digest},
    }
    return ManifestFile(**{**members, **changes})


def root_keys() -> dict[str, RootKey]:
    return {kid: RootKey(key.kid, key.n, key.e) for kid, key in vectors.hard_coded_roots().items()}


def config(folder: Path, **changes: Any) -> AgentConfig:
    members: dict[str, Any] = {
        "connection_string": "HostName=hub;DeviceId=device-1;SharedAccessKey=c2VjcmV0",
        "manufacturer": "contoso",
        "model": "vacuum",
        "root_keys": root_keys(),
        "data_folder": folder,
        "simulator": {},
    }
    return AgentConfig(**{**members, **changes})


@dataclass
class Update:
    """An update and its way into a twin; the content goes to the server."""

    server: ContentServer
    version: str = "1.0"
    contents: dict[str, bytes] = field(default_factory=lambda: {"f1": b"payload one"})
    children: dict[str, UpdateManifest] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    signing_key: str = "signing.1"
    package: dict[str, Any] = field(default_factory=dict)

    def manifest(self) -> UpdateManifest:
        files = {file_id: file_of(content) for file_id, content in self.contents.items()}
        steps = [
            ManifestStep(HANDLER, (file_id,), {"installedCriteria": f"{file_id}-{self.version}"})
            for file_id in self.contents
        ]
        members: dict[str, Any] = {
            "update_id": ManifestUpdateId("Contoso", "Vacuum", self.version),
            "compatibility": ({"manufacturer": "contoso", "model": "vacuum"},),
            "steps": tuple(steps),
            "files": files,
            "created_date_time": "2026-01-01T00:00:00Z",
        }
        return UpdateManifest(**{**members, **self.changes})

    def publish(self) -> dict[str, str]:
        self.server.contents.update(self.contents)
        self.server.contents["roots.json"] = vectors.signed_package(**self.package)
        return {file_id: self.server.url_of(file_id) for file_id in self.server.contents}

    def service(self, workflow_id: str | None = None, retry: str | None = None) -> dict[str, Any]:
        urls = {**self.publish(), **self.urls}
        package_url = urls.pop("roots.json")
        manifest = self.manifest().to_json()
        command = deployment_command(
            workflow_id or f"workflow-{next(_NUMBERS)}",
            retry,
            manifest,
            vectors.manifest_signature(manifest, self.signing_key),
            urls,
            package_url,
        )
        if retry is None:
            del command["workflow"]["retryTimestamp"]
        return command

    def cancel(self, workflow_id: str) -> dict[str, Any]:
        return cancel_command(workflow_id, self.publish()["roots.json"])


def with_child(update: Update, child: UpdateManifest, payload: dict[str, bytes]) -> Update:
    """Add a reference step to an update."""
    document = detached_document(child.to_json()).encode()
    update.server.contents.update({"child": document, **payload})
    manifest = update.manifest()
    update.changes = {
        "steps": (*manifest.steps, ManifestStep(detached_manifest_file_id="child")),
        "files": {**manifest.files, "child": file_of(document, "child.updatemanifest.json")},
    }
    return update
