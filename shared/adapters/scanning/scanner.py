"""The service's side of scanning: keeps a worker process and asks it for verdicts.

Fails closed: a worker that dies, hangs or talks nonsense yields the verdict `error` and is
replaced.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.adapters.scanning import clamd
from shared.adapters.scanning.limits import EngineFailed, OutOfTime, WalkLimits
from shared.adapters.scanning.rules import BUILT_IN, ENGINE, knowledge_of, rule_sources
from shared.domain.errors import DependencyFailed, InvalidInput
from shared.domain.scanning.scan import Knowledge, Verdict
from shared.ports import Sample

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_PASSED_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
_START_SECONDS = 120.0
"""Two thousand large rules compile in about six seconds."""
_VERSION_SECONDS = 5.0
_UNKNOWN = "unknown"
_VERDICT_FIELDS = {each.name for each in fields(Verdict)}


class WorkerScanner:
    """Scans files in a process of its own, one at a time. Implements `ports.Scanner`.

    Args:
        engine: Name of the engine, and `arguments` what its process is told besides.
        limits: How far to go into containers.
        spool_folder: Where large members wait while they are scanned.
    """

    reads_files = True

    def __init__(
        self,
        engine: str,
        arguments: tuple[str, ...],
        *,
        limits: WalkLimits | None = None,
        spool_folder: Path | None = None,
    ) -> None:
        self.engine = engine
        self._arguments = arguments
        self._limits = limits or WalkLimits()
        self._spool_folder = spool_folder
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._knowledge = Knowledge(engine, _UNKNOWN, _UNKNOWN)

    async def knowledge(self) -> Knowledge | None:
        """See the port."""
        raise NotImplementedError

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        """See the port; waiting for its turn is not counted."""
        request = {
            "path": str(sample.path),
            "name": sample.name,
            "sha256": sample.sha256,
            "sizeBytes": sample.size_bytes,
            "deadlineSeconds": deadline_seconds,
            "mayBeDelta": sample.may_be_delta,
            "limits": asdict(self._limits),
            "spoolFolder": str(self._spool_folder) if self._spool_folder else None,
        }
        async with self._turn:
            try:
                async with asyncio.timeout(deadline_seconds):
                    return self._verdict(await self._asked(request))
            except TimeoutError:
                await self._end()
                return self._failed("the scan took too long")
            except EngineFailed as error:
                await self._end()
                return self._failed(str(error))
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
            await self._end()
            process = self._process = await self._started(self._arguments)
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        return await _line(process)

    async def _started(self, arguments: tuple[str, ...]) -> Process:
        """A new worker process, ready to be asked.

        Raises:
            EngineFailed: Its engine does not start with these arguments.
        """
        environment = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shared.adapters.scanning.worker",
            self.engine,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            await _readiness(process)
        except BaseException:
            await _ended(process)
            raise
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _ended(process)

    def _verdict(self, message: dict[str, Any]) -> Verdict:
        said = {name: value for name, value in message.items() if name in _VERDICT_FIELDS}
        if "engine" not in said:
            return self._failed(str(said["reason"]))
        return Verdict(**{**said, "names": tuple(said.get("names", ()))})

    def _failed(self, reason: str) -> Verdict:
        return Verdict("error", **asdict(self._knowledge), reason=reason)


class YaraXScanner(WorkerScanner):
    """Scans with YARA rules: the shipped ones until others are loaded.

    Args:
        limits: How far to go into containers.
        spool_folder: Where large members wait while they are scanned.
    """

    def __init__(
        self, *, limits: WalkLimits | None = None, spool_folder: Path | None = None
    ) -> None:
        super().__init__(ENGINE, (str(BUILT_IN),), limits=limits, spool_folder=spool_folder)
        self._knowledge = knowledge_of(rule_sources((BUILT_IN,)))
        self._loaded: tempfile.TemporaryDirectory[str] | None = None

    async def knowledge(self) -> Knowledge:
        """See the port."""
        return self._knowledge

    async def load(self, rules: str | None) -> None:
        """See the port `RuleScanner`."""
        if rules is None:
            await self._use(str(BUILT_IN), None)
            return
        folder = tempfile.TemporaryDirectory(prefix="odu-rules-")
        try:
            await asyncio.to_thread(_write, Path(folder.name) / "rules.yar", rules)
            await self._use(folder.name, folder)
        except BaseException:
            folder.cleanup()
            raise

    async def close(self) -> None:
        """End the worker process."""
        await super().close()
        if self._loaded is not None:
            self._loaded.cleanup()

    async def _use(self, rules: str, owned: tempfile.TemporaryDirectory[str] | None) -> None:
        """Go over to a process with other rules, once it is ready."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                process = await self._started((rules,))
        except EngineFailed as error:
            raise InvalidInput(f"The rules are refused: {error}.", target="rules") from error
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise DependencyFailed("The scanning process did not start.") from error
        async with self._turn:
            await self._end()
            before, self._loaded = self._loaded, owned
            self._process, self._arguments = process, (rules,)
            self._knowledge = knowledge_of(rule_sources((Path(rules),)))
        if before is not None:
            before.cleanup()


class ClamdScanner(WorkerScanner):
    """Has ClamAV's daemon look at every member.

    Args:
        address: `tcp://HOST:PORT` or `unix:///PATH`.
        max_bytes: Largest member that it looks at.
        limits: How far to go into containers.
        spool_folder: Where large members wait while they are scanned.
    """

    def __init__(
        self,
        address: str,
        max_bytes: int,
        *,
        limits: WalkLimits | None = None,
        spool_folder: Path | None = None,
    ) -> None:
        super().__init__(
            clamd.ENGINE, (address, str(max_bytes)), limits=limits, spool_folder=spool_folder
        )
        self._daemon = clamd.Clamd(address, max_bytes)

    async def knowledge(self) -> Knowledge | None:
        """See the port. A database without a version may change unseen: then it is not told."""
        try:
            known = await asyncio.to_thread(self._daemon.knowledge, _VERSION_SECONDS)
        except (EngineFailed, OutOfTime):
            return None
        return known if known.rules_version else None


async def _readiness(process: Process) -> None:
    said = await _line(process)
    if "failed" in said:
        raise EngineFailed(str(said["failed"]))


async def _line(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    if not isinstance(message, dict):
        raise TypeError
    return message


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
