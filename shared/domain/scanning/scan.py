"""Malware scan verdicts and which of several counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

Status = Literal["clean", "pending", "error", "unscannable", "malicious"]

_SEVERITY = {status: rank for rank, status in enumerate(get_args(Status))}


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an engine knows: its verdict on some content is the same until that changes."""

    engine: str
    engine_version: str
    rules_version: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one engine says about one file. Only `clean` lets a file be published.

    Args:
        status: `unscannable` means that the engine cannot look inside (encrypted, over a limit,
            damaged) and never will; `error` that it failed this time; `pending` not yet.
        engine: Name of the engine, `engine_version` and `rules_version` what it knew.
        names: Names of the malware found.
        member_path: Where in the file, the names of nested containers joined by `!`.
        members_scanned: How many members were looked at, the file itself included.
        bytes_scanned: Their sizes added up.
        reason: Why the file is unscannable or in error, in words.
    """

    status: Status
    engine: str
    engine_version: str
    rules_version: str
    names: tuple[str, ...] = ()
    member_path: str | None = None
    members_scanned: int = 0
    bytes_scanned: int = 0
    reason: str | None = None

    @property
    def knowledge(self) -> Knowledge:
        """What the engine knew when it gave the verdict."""
        return Knowledge(self.engine, self.engine_version, self.rules_version)

    @property
    def is_definite(self) -> bool:
        """Whether the engine would say the same of the same content again."""
        return self.status in ("clean", "unscannable", "malicious")

    @property
    def findings(self) -> str:
        """What is wrong with the content, in words; empty if nothing is known to be."""
        return ", ".join(self.names) or self.reason or ""

    def named(self, old: str, new: str) -> Verdict:
        """The verdict with another name of the file at the head of `member_path`."""
        if self.member_path is None:
            return self
        return replace(self, member_path=new + self.member_path.removeprefix(old))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that counts: malicious, then unscannable, error, pending, clean.

    The choice between equally bad verdicts does not depend on their order.

    Raises:
        ValueError: There is none: no verdict is not a clean verdict.
    """
    return max(verdicts, key=_badness)


def _badness(verdict: Verdict) -> tuple[object, ...]:
    return (
        _SEVERITY[verdict.status],
        verdict.engine,
        verdict.engine_version,
        verdict.rules_version,
        verdict.names,
        verdict.member_path is not None,
        verdict.member_path or "",
        verdict.members_scanned,
        verdict.bytes_scanned,
        verdict.reason is not None,
        verdict.reason or "",
    )
