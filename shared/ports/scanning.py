"""Malware scanners."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from shared.domain.scan import Verdict


class Scanner(Protocol):
    """A malware scanner."""

    async def scan(
        self,
        path: Path,
        *,
        sha256: str,
        size_bytes: int,
        deadline_seconds: float,
        name: str,
        opaque: bool,
    ) -> Verdict:
        """Scan a file and what is inside it.

        Args:
            path: The file.
            sha256: What it must hash to, base64: a verdict is bound to its content.
            size_bytes: What it must measure.
            deadline_seconds: No verdict by then is an error, never clean.
            name: What reports call it.
            opaque: It cannot be opened (a delta): look at its bytes only.
        """
        ...
