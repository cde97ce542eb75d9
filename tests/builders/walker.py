"""Archives for the walker."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.scanning.walker import Findings
from tests.unit.scanning.archives import EICAR, a_zip

if TYPE_CHECKING:
    pass


HARMLESS = b"#!/bin/sh\necho hello\n" * 10


NOISE = random.Random(7).randbytes(64 * 1024)


class Engine:
    """Remembers what it was shown, so that tests can tell that nothing was left out."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        content = data.read_bytes() if isinstance(data, Path) else data
        self.seen.append(content)
        starts = content.startswith(b"\x7fELF-evil")
        return (("EICAR",) if EICAR in content else ()) + (("ELF",) if starts else ())


def place(findings: Findings) -> str | None:
    assert findings.unscannable is None
    return findings.member_path


def encrypted_zip() -> bytes:
    data = bytearray(a_zip({"secret": HARMLESS}))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1
    return bytes(data)
