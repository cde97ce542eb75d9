"""Asks every engine about a file, and remembers what each said of its content.

A verdict holds for as long as its engine knows no more than when it gave it: content that was found
clean is not looked at again until then.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from shared.contract.encoding import unb64
from shared.domain.errors import InvalidInput
from shared.domain.scanning.scan import Knowledge, Verdict, worst
from shared.ports import NO_TELEMETRY, Clock, Sample, Scanner, Telemetry, Verdicts
from shared.services.scanning.rules import ScanRules
from shared.signals import Metric

_BYTES_PER_SECOND = 20 << 20
_LEAST_SECONDS = 120.0

type Download = Callable[[Path], Awaitable[str]]
"""Copies the file to a path; the ETag of what was copied."""


class ContentChanged(InvalidInput):
    """A file is not the one that it was fetched as."""

    def __init__(self, filename: str) -> None:
        message = f"File '{filename}' was changed in quarantine; import again."
        super().__init__(
            message,
            code="CannotProcessUpdateFile",
            target=filename,
            inner=InvalidInput(message, code="HashMismatch", target=filename),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What the engines say of a file, and the ETag of the blob that they looked at."""

    etag: str
    verdicts: tuple[Verdict, ...]


@dataclass(slots=True)
class Scanning:
    """The engines that are in use, in the order of the setting."""

    engines: Sequence[Scanner]
    verdicts: Verdicts
    clock: Clock
    rules: ScanRules | None = None
    telemetry: Telemetry = NO_TELEMETRY

    async def knowledge(self) -> tuple[Knowledge, ...]:
        """What the engines that read files know now, as far as they can tell."""
        if self.rules is not None:
            await self.rules.refresh()
        known = [await engine.knowledge() for engine in self.engines if engine.reads_files]
        return tuple(item for item in known if item is not None)

    async def judge(
        self,
        instance: str,
        sample: Sample,
        download: Download,
        *,
        knowledge: Sequence[Knowledge],
        is_published: bool = False,
    ) -> Judged:
        """Every engine's verdict on a file; it is copied only if one has to look at it.

        Args:
            instance: Whose file it is.
            sample: The file; a verdict is remembered for its hash, so the copy must have it.
            download: How to get at it.
            knowledge: What the engines know; their older verdicts do not count.
            is_published: Only engines that read files can say anything about it.

        Raises:
            ContentChanged: The copy has another hash.
        """
        engines = [item for item in self.engines if item.reads_files or not is_published]
        known = await self._known(instance, sample, knowledge)
        asked = [item for item in engines if item.engine not in known]
        if not any(item.reads_files for item in asked):
            found = await self._ask(instance, asked, sample)
            return Judged(sample.etag, _in_order(engines, {**known, **found}))
        with tempfile.TemporaryDirectory(prefix="odu-scan-") as folder:
            path = Path(folder) / "content"
            etag = await download(path)
            await asyncio.to_thread(_check_content, path, sample)
            found = await self._ask(instance, asked, replace(sample, path=path, etag=etag))
            return Judged(etag, _in_order(engines, {**known, **found}))

    async def harm(self, instance: str, sha256: str) -> Verdict | None:
        """What an engine in use found bad in the content, whenever it did; None if none has."""
        in_use = {item.engine for item in self.engines}
        stored = await self.verdicts.on(instance, sha256)
        found = [item for item in stored if item.engine in in_use and item.status == "malicious"]
        return worst(found) if found else None

    async def _known(
        self, instance: str, sample: Sample, knowledge: Sequence[Knowledge]
    ) -> dict[str, Verdict]:
        if not knowledge:
            return {}
        stored = await self.verdicts.on(instance, sample.sha256, may_be_delta=sample.may_be_delta)
        return {
            item.engine: item.named("", sample.name)
            for item in stored
            if item.knowledge in knowledge
        }

    async def _ask(
        self, instance: str, engines: Sequence[Scanner], sample: Sample
    ) -> dict[str, Verdict]:
        seconds = _LEAST_SECONDS + sample.size_bytes / _BYTES_PER_SECOND
        found = await asyncio.gather(*(self._timed(engine, sample, seconds) for engine in engines))
        for verdict in found:
            if verdict.is_definite:
                await self.verdicts.put(
                    instance,
                    sample.sha256,
                    verdict.named(sample.name, ""),
                    may_be_delta=sample.may_be_delta,
                    at=self.clock.now(),
                )
        return {verdict.engine: verdict for verdict in found}

    async def _timed(self, engine: Scanner, sample: Sample, seconds: float) -> Verdict:
        started = monotonic()
        verdict = await engine.scan(sample, deadline_seconds=seconds)
        took = monotonic() - started
        self.telemetry.record(
            Metric.SCAN_DURATION, took, engine=verdict.engine, result=verdict.status
        )
        return verdict


def _in_order(engines: Sequence[Scanner], found: Mapping[str, Verdict]) -> tuple[Verdict, ...]:
    return tuple(found[item.engine] for item in engines)


def _check_content(path: Path, sample: Sample) -> None:
    """Raises ContentChanged: name and metadata of a blob prove nothing about its bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    if not hmac.compare_digest(digest, unb64(sample.sha256)):
        raise ContentChanged(sample.name)
