"""Why the last delivery of a message failed, kept until the message is replayed or discarded.

The Functions host moves a message that failed as often as it delivers it to a poison queue, and
says nowhere why. A note lies beside the dead letters, named by what the message says.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

import msgspec

from shared.domain.errors import DeviceUpdateError
from shared.ports import Blobs, Clock

FOLDER = "$failures/"
"""No topic of Event Grid can be called so: dead letters never lie here."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailureNote:
    """The last error: its code, a sentence without secrets, and when."""

    code: str
    message: str
    at: str


@dataclass(slots=True)
class FailureNotes:
    """Writes, reads and removes notes."""

    blobs: Blobs
    clock: Clock

    async def write(self, queue: str, body: str, error: Exception) -> None:
        """Keep why a message failed; if that fails as well, the log says both."""
        if isinstance(error, DeviceUpdateError):
            note = FailureNote(error.code, error.message, self.clock.now())
        else:  # its text may hold anything
            kind = type(error).__name__
            sentence = f"The service failed unexpectedly ({kind}); its log says more."
            note = FailureNote(kind, sentence, self.clock.now())
        try:
            await self.blobs.write("deadletter", _name(queue, body), msgspec.json.encode(note))
        except DeviceUpdateError as second:
            log.warning("a message of %s fails for good: %s; %s", queue, note, second.message)

    async def read(self, queue: str, body: str) -> FailureNote | None:
        """Why a message failed; None if nothing is known."""
        content = await self.blobs.read("deadletter", _name(queue, body))
        try:
            return msgspec.json.decode(content, type=FailureNote) if content else None
        except msgspec.DecodeError:
            return None

    async def remove(self, queue: str, body: str) -> None:
        """The message is dealt with."""
        name = _name(queue, body)
        known = await self.blobs.metadata("deadletter", name)
        if known is not None:
            await self.blobs.delete("deadletter", name, known["etag"])


def _name(queue: str, body: str) -> str:
    digest = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()
    return f"{FOLDER}{queue}/{digest[:32]}.json"
