"""The scanning process: `python -m shared.adapters.scanning.worker ENGINE ARGUMENT...`.

Speaks JSON lines. Once its engine is ready it writes `{"ready": true}`, or `{"failed": REASON}` if
it never will be; then for each request on stdin it writes one verdict on stdout. It ends when stdin
does, so it never outlives its host, not even in the middle of a scan.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from shared.adapters.scanning.limits import Budget, EngineFailed, OutOfTime, WalkLimits
from shared.adapters.scanning.walker import Findings, Walker
from shared.domain.scanning.scan import Knowledge

_MAX_REASON = 1000


class Engine(Protocol):
    """What looks at flat bytes."""

    def knowledge(self, seconds: float) -> Knowledge:
        """What it knows now. Raises EngineFailed, OutOfTime."""

    def scan(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        """The names of what it finds. Raises EngineFailed, OutOfTime, Unscannable."""


def judge(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Scan the file that a request names; a failure is a verdict too, never an exception."""
    path = Path(request["path"])
    deadline = time.monotonic() + request["deadlineSeconds"]
    limits = WalkLimits(**request["limits"])
    known: dict[str, Any] = {}
    try:
        changed = _difference(path, request["sha256"], request["sizeBytes"])
        if changed:
            return {"status": "error", "reason": changed}
        budget = Budget(limits, request["sizeBytes"], time.monotonic, deadline)
        known = asdict(engine.knowledge(budget.seconds_left()))
        walker = Walker(engine.scan, budget, _folder(request["spoolFolder"]))
        findings = walker.walk(path, request["name"], may_be_delta=request["mayBeDelta"])
    except OutOfTime:
        return {**known, "status": "error", "reason": "the scan took too long"}
    except EngineFailed as error:
        return {**known, "status": "error", "reason": str(error)[:_MAX_REASON]}
    except (OSError, MemoryError) as error:
        reason = f"the scan failed ({type(error).__name__})"
        return {**known, "status": "error", "reason": reason}
    return {**known, **_verdict(findings)}


def _verdict(findings: Findings) -> dict[str, Any]:
    seen = {"members_scanned": findings.members, "bytes_scanned": findings.bytes}
    if findings.names:
        place = {"names": findings.names, "member_path": findings.member_path}
        return {"status": "malicious", **place, **seen}
    if findings.unscannable:
        member_path, reason = findings.unscannable
        return {"status": "unscannable", "member_path": member_path, "reason": reason, **seen}
    return {"status": "clean", **seen}


def _difference(path: Path, sha256: str, size_bytes: int) -> str | None:
    """Say how a file differs from the one that is meant: a verdict holds for exact content."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != size_bytes:
            return "the file is not of the stated size"
        digest = hashlib.file_digest(file, "sha256").digest()
    if base64.b64encode(digest).decode() != sha256:
        return "the file has not the stated SHA-256"
    return None


def _folder(name: str | None) -> Path | None:
    return Path(name) if name else None


def _read_requests(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    # The host is gone; a scan may still run in the main thread and is of no use to anybody.
    os._exit(0)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _engine(name: str, arguments: list[str]) -> Engine:
    """The engine of that name; the others are not even loaded."""
    if name == "clamd":
        from shared.adapters.scanning.clamd import Clamd

        return Clamd(arguments[0], int(arguments[1]))
    from shared.adapters.scanning.yara import Yara

    return Yara(tuple(map(Path, arguments)))


def main(name: str, arguments: list[str]) -> None:
    """Serve requests until stdin ends."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    try:
        engine = _engine(name, arguments)
    except EngineFailed as error:
        _say({"failed": str(error)[:_MAX_REASON]})
        return
    _say({"ready": True})
    while True:
        _say(judge(engine, json.loads(requests.get())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
