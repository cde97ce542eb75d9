"""Writes import manifests of version 5.0 from files: sizes, hashes, steps.

What is built is not checked here: `shared.domain.updates.import_manifest` knows the rules.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANIFEST_VERSION = "5.0"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What an update is to be; its files are in `file_entries` of `build_manifest`.

    `references` are the ids of updates to install after the files' own step.
    """

    update_id: Mapping[str, str]
    compatibility: Sequence[Mapping[str, str]]
    handler: str = "microsoft/script:1"
    handler_properties: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    is_deployable: bool = True
    references: Sequence[Mapping[str, str]] = ()


def build_manifest(
    plan: UpdatePlan,
    file_entries: Sequence[Mapping[str, Any]],
    *,
    created_at: datetime | None = None,
) -> dict[str, Any]:
    """Return an import manifest with one step for all files and one for each reference.

    Args:
        plan: What the update is to be.
        file_entries: Its files, see `file_entry`.
        created_at: Time of writing; now if None.
    """
    created = created_at or datetime.now(UTC).replace(microsecond=0)
    steps: list[dict[str, Any]] = []
    if file_entries:
        step: dict[str, Any] = {
            "handler": plan.handler,
            "files": [entry["filename"] for entry in file_entries],
        }
        if plan.handler_properties:
            step["handlerProperties"] = dict(plan.handler_properties)
        steps.append(step)
    steps += [{"type": "reference", "updateId": dict(each)} for each in plan.references]
    manifest: dict[str, Any] = {
        "manifestVersion": MANIFEST_VERSION,
        "updateId": dict(plan.update_id),
        "description": plan.description,
        "isDeployable": plan.is_deployable,
        "compatibility": [dict(each) for each in plan.compatibility],
        "instructions": {"steps": steps},
        "files": [dict(entry) for entry in file_entries],
        "createdDateTime": created.isoformat().replace("+00:00", "Z"),
    }
    if plan.description is None:
        del manifest["description"]
    if plan.is_deployable:
        del manifest["isDeployable"]
    return manifest


def file_entry(name: str, content: Path | bytes) -> dict[str, Any]:
    """Return a file as a manifest lists it; one on disk is read piece by piece.

    Raises:
        OSError: The file cannot be read.
    """
    size, sha256 = measure(content)
    return {"filename": name, "sizeInBytes": size, "hashes": {"sha256": sha256}}


def measure(content: Path | bytes) -> tuple[int, str]:
    """Return size in bytes and SHA-256 (base64, as in all manifests).

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(content, bytes):
        return len(content), _base64(hashlib.sha256(content).digest())
    with content.open("rb") as stream:
        return _measure_stream(stream)


def _measure_stream(stream: BinaryIO) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        size += len(chunk)
        digest.update(chunk)
    return size, _base64(digest.digest())


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
