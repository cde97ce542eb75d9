"""What an agent must not forget over a restart.

Small files in the data folder, each replaced as a whole, so that a power cut leaves the old or
the new content and nothing between.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from .contract.strictjson import loads_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class JsonFile:
    """A JSON object in a file; a file that is absent or damaged is an empty object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def read(self) -> dict[str, Any]:
        """The object as last written."""
        try:
            return loads_object(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            logger.warning("%s is damaged and counts as empty", self._path.name)
            return {}

    def update(self, members: Mapping[str, Any]) -> None:
        """Write some members, keeping the others."""
        with self._lock:
            data = json.dumps({**self.read(), **members}).encode()
            write_atomically(self._path, data)


class DeviceState:
    """The durable state of one agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = JsonFile(folder / "state.json")
        self._package = folder / "root-key-package.json"

    @property
    def downloads(self) -> Path:
        """Where workflows keep their files."""
        return self.folder / "downloads"

    def finished(self) -> list[dict[str, Any]]:
        """The workflows that ended, oldest first, as last saved."""
        entries = self._file.read().get("finished")
        return [entry for entry in entries or () if isinstance(entry, dict)]

    def save_finished(self, entries: list[dict[str, Any]]) -> None:
        """Remember the workflows that ended."""
        self._file.update({"finished": entries})

    def log_result(self) -> tuple[str | None, int | None]:
        """The last request of logs that was answered, and the answer."""
        known = self._file.read().get("logs")
        if not isinstance(known, dict):
            return None, None
        operation_id, code = known.get("operationId"), known.get("resultCode")
        return (
            operation_id if isinstance(operation_id, str) else None,
            code if isinstance(code, int) else None,
        )

    def save_log_result(self, operation_id: str, code: int) -> None:
        """Remember the answer to a request of logs."""
        self._file.update({"logs": {"operationId": operation_id, "resultCode": code}})

    def root_key_package(self) -> bytes | None:
        """The root key package as last accepted."""
        try:
            return self._package.read_bytes()
        except FileNotFoundError:
            return None

    def save_root_key_package(self, data: bytes) -> None:
        """Remember a root key package; it must have been validated."""
        write_atomically(self._package, data)

    def highest_version(self, provider: str, name: str) -> str | None:
        """The highest version of an update ever installed."""
        version = self._highest().get(_update_key(provider, name))
        return version if isinstance(version, str) else None

    def save_highest_version(self, provider: str, name: str, version: str) -> None:
        """Remember the highest version of an update."""
        self._file.update(
            {"highestVersions": {**self._highest(), _update_key(provider, name): version}}
        )

    def _highest(self) -> dict[str, Any]:
        versions = self._file.read().get("highestVersions")
        return versions if isinstance(versions, dict) else {}


def _update_key(provider: str, name: str) -> str:
    return json.dumps([provider, name])
