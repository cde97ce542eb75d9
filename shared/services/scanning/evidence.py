"""What the service notes in quarantine for its own later steps, so that nobody else can write it.

Others may be able to write to the container: whoever fills it, or has one of its keys. So a note is
sealed with the service's key, under its own name: a forged, changed or moved one is as none.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.domain.errors import DependencyFailed
from shared.ports import Blobs, Sealer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Evidence:
    """Sealed notes beside quarantined content."""

    blobs: Blobs
    sealer: Sealer

    async def write(self, name: str, note: Any) -> None:
        """Write a note down under a name."""
        text = json.dumps([name, msgspec.to_builtins(note)])
        await self.blobs.write("quarantine", name, self.sealer.seal(text).encode())

    async def read[T](self, name: str, kind: type[T]) -> T | None:
        """A note; None if there is none that the service has written under this name."""
        sealed = await self.blobs.read("quarantine", name)
        if sealed is None:
            return None
        try:
            noted, note = json.loads(self.sealer.unseal(sealed.decode("ascii", "replace")))
        except DependencyFailed:
            log.warning("'%s' in quarantine is not of this service; it is ignored", name)
            return None
        if noted != name:
            log.warning("'%s' in quarantine was written for '%s'; it is ignored", name, noted)
            return None
        return msgspec.convert(note, kind)
