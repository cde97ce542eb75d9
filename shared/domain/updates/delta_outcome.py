"""What came of a file when deltas were made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeltaOutcome:
    """A file of the newer version, in bytes, and the delta for it; `reason` says why there is none.

    `delta_bytes` is also given where a delta was made but saves too little.
    """

    filename: str
    size_bytes: int
    delta_bytes: int | None = None
    reason: str | None = None
