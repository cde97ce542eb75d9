"""Steps as a deployment hands them to a handler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from odu_agent.contract.manifest import ManifestStep, ManifestUpdateId
from odu_agent.handlers import HandlerEnvironment, LocalFile, StepContext


def environment(folder: Path, root: Path = Path("/"), **settings: Any) -> HandlerEnvironment:
    own = folder / "handler"
    own.mkdir(exist_ok=True)
    return HandlerEnvironment("h", own, settings, {"manufacturer": "contoso"}, root)


def a_step(
    folder: Path,
    contents: dict[str, bytes],
    properties: dict[str, Any] | None = None,
    **changes: Any,
) -> StepContext:
    """A step whose files come to be when they are fetched; its folders are below `folder`."""
    sources = folder / "files"
    sources.mkdir(parents=True, exist_ok=True)
    work_folder = folder / "work"
    work_folder.mkdir(exist_ok=True)
    ids = {f"f{index}": name for index, name in enumerate(contents)}

    def fetch_files(*file_ids: str) -> None:
        for file_id in file_ids or ids:
            (sources / file_id).write_bytes(contents[ids[file_id]])

    members: dict[str, Any] = {
        "update_id": ManifestUpdateId("Contoso", "Toaster", "1.0"),
        "index": 0,
        "step": ManifestStep("h", tuple(ids), properties or {}),
        "files": tuple(LocalFile(key, name, sources / key) for key, name in ids.items()),
        "work_folder": work_folder,
        "cancelled": threading.Event(),
        "fetch_files": fetch_files,
    }
    return StepContext(**{**members, **changes})


def wait_until(is_so: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
