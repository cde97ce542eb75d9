"""What the fetch of an import tells its scan."""

from __future__ import annotations

import msgspec


class ScanEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One file to scan, as listed by the fetch stage. `blob` is its name in quarantine."""

    blob: str
    filename: str
    sha256: str
    size_bytes: int
    is_related: bool = False
