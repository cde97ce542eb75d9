"""What an agent must not forget over a restart.

Small files in the data folder, each replaced as a whole, so that a power cut leaves the old or
the new content and nothing between.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
from typing import IO, TYPE_CHECKING, Any, cast

from .contract.strictjson import loads_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


def private_folder(path: Path) -> Path:
    """Make a folder that is this user's alone, or make sure that it is.

    Raises:
        OSError: It is a link, no folder, or another user's.
    """
    path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "a folder of the agent is a link", str(path))
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "a folder of the agent is another user's", str(path))
    if stat.S_IMODE(facts.st_mode) & 0o077:
        path.chmod(_PRIVATE_FOLDER)
    return path


def open_private(path: Path, mode: str, *, flags: int = 0) -> IO[bytes]:
    """Open a file of this user alone; a link in its place is an error, never followed.

    Args:
        path: The file.
        mode: `rb`, `wb` or `r+b`.
        flags: Further flags of `open(2)`.
    """

    def opener(name: str, given: int) -> int:
        return os.open(name, given | _NO_LINK | flags, _PRIVATE_FILE)

    return cast("IO[bytes]", open(path, mode, opener=opener))


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file as a whole."""
    private_folder(path.parent)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open_private(temporary, "wb", flags=os.O_EXCL) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class JsonFile:
    """A JSON object in a file; a file that is absent or damaged is an empty object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def read(self) -> dict[str, Any]:
        """The object as last written."""
        try:
            with open_private(self._path, "rb") as file:
                return loads_object(file.read())
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

    def save_begun(self, note: Mapping[str, Any]) -> None:
        """Remember that a deployment was begun."""
        self._file.update({"begun": note})

    def begun(self) -> dict[str, Any] | None:
        """What was begun and has not ended."""
        note = self._file.read().get("begun")
        return note if isinstance(note, dict) else None

    def save_finished(self, entries: list[dict[str, Any]]) -> None:
        """Remember the workflows that ended."""
        self._file.update({"finished": entries})

    def save_end(
        self, entries: list[dict[str, Any]], workflow_id: str, report: Mapping[str, Any] | None
    ) -> None:
        """Remember the workflows that ended, and that what was begun has; with its report, if any
        is to be sent.
        """
        last = {"workflowId": workflow_id, "patch": report, "isSent": False}
        news = {"lastReport": last} if report is not None else {}
        self._file.update({"finished": entries, "begun": None, **news})

    def save_sent(self, workflow_id: str) -> None:
        """Remember that the hub has taken the report of a workflow's end."""
        report = self._last_report()
        if report.get("workflowId") == workflow_id:
            self._file.update({"lastReport": {**report, "isSent": True}})

    def last_report(self, workflow_id: str) -> dict[str, Any] | None:
        """The report of a workflow's end, if it was the last to end."""
        report = self._last_report()
        return _patch_of(report) if report.get("workflowId") == workflow_id else None

    def unsent_report(self) -> tuple[str, dict[str, Any]] | None:
        """The workflow that ended last and its report, if the hub has not taken that."""
        report = self._last_report()
        workflow_id, patch = report.get("workflowId"), _patch_of(report)
        if report.get("isSent") is not False or patch is None or not isinstance(workflow_id, str):
            return None
        return workflow_id, patch

    def _last_report(self) -> dict[str, Any]:
        report = self._file.read().get("lastReport")
        return report if isinstance(report, dict) else {}

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
            with open_private(self._package, "rb") as file:
                return file.read()
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


def _patch_of(report: Mapping[str, Any]) -> dict[str, Any] | None:
    patch = report.get("patch")
    return patch if isinstance(patch, dict) else None


def _update_key(provider: str, name: str) -> str:
    return json.dumps([provider, name])
