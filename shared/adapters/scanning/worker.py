"""The scanning process: `python -m shared.adapters.scanning.worker RULES_FOLDER...`.

Speaks JSON lines. Once the rules are compiled it writes `{"ready": true}`; then for each request on
stdin it writes one verdict on stdout. It ends when stdin does, so it never outlives its host, not
even in the middle of a scan.
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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yara_x

from shared.adapters.scanning.limits import Budget, OutOfTime, WalkLimits
from shared.adapters.scanning.rules import ENGINE, rule_sources, rules_version
from shared.adapters.scanning.walker import Findings, Walker

MAX_NAMES = 20


class YaraEngine:
    """The rules of some folders, compiled."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        sources = rule_sources(folders)
        self.rules_version = rules_version(sources)
        self._scanner = yara_x.Scanner(yara_x.compile("\n".join(sources)))

    def __call__(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        """Return the names of the rules that match, at most `MAX_NAMES`.

        Raises:
            OutOfTime: It took longer than `seconds`.
        """
        self._scanner.set_timeout(max(1, round(seconds)))
        try:
            if isinstance(data, Path):
                results = self._scanner.scan_file(str(data))
            else:
                results = self._scanner.scan(data)
        except yara_x.TimeoutError as error:
            raise OutOfTime from error
        return tuple(rule.identifier for rule in results.matching_rules)[:MAX_NAMES]


def judge(engine: YaraEngine, request: dict[str, Any]) -> dict[str, Any]:
    """Scan the file that a request names; a failure is a verdict too, never an exception."""
    path = Path(request["path"])
    deadline = time.monotonic() + request["deadlineSeconds"]
    limits = WalkLimits(**request["limits"])
    try:
        changed = _difference(path, request["sha256"], request["sizeBytes"])
        if changed:
            return {"status": "error", "reason": changed}
        budget = Budget(limits, request["sizeBytes"], time.monotonic, deadline)
        walker = Walker(engine, budget, _folder(request["spoolFolder"]))
        findings = walker.walk(path, request["name"], opaque=request["opaque"])
    except OutOfTime:
        return {"status": "error", "reason": "the scan took too long"}
    except (OSError, yara_x.ScanError, MemoryError) as error:
        return {"status": "error", "reason": f"the scan failed ({type(error).__name__})"}
    return _verdict(findings)


def _verdict(findings: Findings) -> dict[str, Any]:
    seen = {"membersScanned": findings.members, "bytesScanned": findings.bytes}
    if findings.names:
        place = {"names": findings.names, "memberPath": findings.member_path}
        return {"status": "malicious", **place, **seen}
    if findings.unscannable:
        member_path, reason = findings.unscannable
        return {"status": "unscannable", "memberPath": member_path, "reason": reason, **seen}
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


def main(folders: list[str]) -> None:
    """Serve requests until stdin ends."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    engine = YaraEngine(tuple(map(Path, folders)))
    known = {
        "engine": ENGINE,
        "engineVersion": version(ENGINE),
        "rulesVersion": engine.rules_version,
    }
    _say({"ready": True, **known})
    while True:
        _say({**known, **judge(engine, json.loads(requests.get()))})


if __name__ == "__main__":
    main(sys.argv[1:])
