"""Malware scanners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.domain.scanning.scan import Knowledge, Verdict
    from shared.ports.common import Page


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to be judged.

    Args:
        sha256: What it must hash to, base64: a verdict is bound to its content.
        size_bytes: What it must measure.
        name: What reports call it.
        may_be_delta: It may be a difference to an older file, which cannot be opened without that.
        path: Where it lies; None for engines that do not read it.
        blob: Name of the quarantined blob that it is, `etag` its version; empty for content that
            was published.
    """

    sha256: str
    size_bytes: int
    name: str
    may_be_delta: bool = False
    path: Path | None = None
    blob: str = ""
    etag: str = ""


class Scanner(Protocol):
    """One engine."""

    @property
    def engine(self) -> str:
        """Its name."""

    @property
    def reads_files(self) -> bool:
        """Whether it needs the file; if not, it is told of quarantined blobs by others."""

    async def knowledge(self) -> Knowledge | None:
        """What it knows now; None where that cannot be told."""
        ...

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        """Judge a file and what is inside it.

        Args:
            sample: The file.
            deadline_seconds: No verdict by then is an error, never clean.
        """
        ...


class RuleScanner(Scanner, Protocol):
    """An engine whose rules can be replaced."""

    async def load(self, rules: str | None) -> None:
        """Use these rules from now on; the shipped ones for None.

        Raises:
            InvalidInput: They are no rules; those in use stay.
            DependencyFailed: The engine did not start.
        """
        ...


@dataclass(frozen=True, slots=True)
class JudgedContent:
    """Content that an engine has judged. `sha256` is hexadecimal, `at` when that was."""

    sha256: str
    at: str


class Verdicts(Protocol):
    """What engines said of content, the last verdict of each."""

    async def on(
        self, instance: str, sha256: str, *, may_be_delta: bool | None = None
    ) -> Sequence[Verdict]:
        """Those on content by its base64 SHA-256. What may be a delta is judged otherwise: only
        the one or the other, or all.
        """
        ...

    async def put(
        self, instance: str, sha256: str, verdict: Verdict, *, may_be_delta: bool, at: str
    ) -> None:
        """Remember a verdict in the place of the engine's last one."""
        ...

    async def list(self, instance: str, token: str | None = None) -> Page[JudgedContent]:
        """What was judged; the same content may come several times."""
        ...

    async def forget(self, instance: str, sha256: str) -> None:
        """Forget every verdict on content by its hexadecimal SHA-256."""
        ...
