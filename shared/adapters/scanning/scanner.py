"""The service's side of scanning: keeps a worker process and asks it for verdicts.

Fails closed: a worker that dies, hangs or talks nonsense yields the verdict `error` and is
replaced.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from shared.adapters.scanning.limits import WalkLimits
from shared.adapters.scanning.rules import BUILT_IN, ENGINE, rule_sources, rules_version
from shared.domain.scan import Verdict

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

_PASSED_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_CONFIG")


class YaraXScanner:
    """Scans files with YARA rules, one at a time.

    Args:
        limits: How far to go into containers.
        extra_rules: A folder with further `*.yar` files.
        spool_folder: Where large members wait while they are scanned.
    """

    def __init__(
        self,
        *,
        limits: WalkLimits | None = None,
        extra_rules: Path | None = None,
        spool_folder: Path | None = None,
    ) -> None:
        self._limits = limits or WalkLimits()
        self._folders = (BUILT_IN, extra_rules) if extra_rules else (BUILT_IN,)
        self._spool_folder = spool_folder
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def scan(
        self,
        path: Path,
        *,
        sha256: str,
        size_bytes: int,
        deadline_seconds: float,
        name: str | None = None,
        opaque: bool = False,
    ) -> Verdict:
        """Return the verdict on a file.

        Args:
            path: The file.
            sha256: Base64 of its SHA-256; other content under that path is an error.
            size_bytes: Its size.
            deadline_seconds: How long the scan may take, waiting for its turn not counted.
            name: What `member_path` calls the file; the last part of `path` by default.
            opaque: Do not look for containers in it. For deltas, whose bytes may begin like a
                compressed stream that only unpacks together with the file it was made from.
        """
        request = {
            "path": str(path),
            "name": name or path.name,
            "sha256": sha256,
            "sizeBytes": size_bytes,
            "deadlineSeconds": deadline_seconds,
            "opaque": opaque,
            "limits": asdict(self._limits),
            "spoolFolder": str(self._spool_folder) if self._spool_folder else None,
        }
        async with self._turn:
            try:
                async with asyncio.timeout(deadline_seconds):
                    return _verdict(await self._asked(request))
            except TimeoutError:
                await self._end()
                return self._failed("the scan took too long")
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                await self._end()
                return self._failed("the scanning process failed")
            except asyncio.CancelledError:
                # Its answer would be taken for that to the next question.
                await self._end()
                raise

    async def close(self) -> None:
        """End the worker process."""
        async with self._turn:
            await self._end()

    async def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._started()
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        return await _line(process)

    async def _started(self) -> Process:
        await self._end()
        environment = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shared.adapters.scanning.worker",
            *map(str, self._folders),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        await _line(self._process)
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()

    def _failed(self, reason: str) -> Verdict:
        return Verdict(
            status="error",
            engine=ENGINE,
            engine_version=version(ENGINE),
            rules_version=rules_version(rule_sources(self._folders)),
            reason=reason,
        )


async def _line(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    if not isinstance(message, dict):
        raise TypeError
    return message


def _verdict(message: dict[str, Any]) -> Verdict:
    return Verdict(
        status=message["status"],
        engine=message["engine"],
        engine_version=message["engineVersion"],
        rules_version=message["rulesVersion"],
        names=tuple(message.get("names", ())),
        member_path=message.get("memberPath"),
        members_scanned=message.get("membersScanned", 0),
        bytes_scanned=message.get("bytesScanned", 0),
        reason=message.get("reason"),
    )
