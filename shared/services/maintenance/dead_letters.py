"""Events that Event Grid has given up delivering, as it leaves them in a container.

https://learn.microsoft.com/azure/event-grid/manage-event-delivery
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.domain.errors import InvalidInput, NotFound
from shared.ports import Blobs
from shared.topology import Container

_MOST_BYTES = 4 << 20
_BLOB_SUBJECT = re.compile(
    r"/blobServices/default/containers/(imports|quarantine)/blobs/(.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event, and what became of it. `at` is when it was published."""

    kind: str
    subject: str
    data: Mapping[str, Any]
    at: str
    reason: str
    outcome: str
    attempts: int


@dataclass(slots=True)
class DeadLetters:
    """Reads dead letters; has those of blobs raised again by the storage."""

    blobs: Blobs

    async def read(self, name: str) -> list[DeadEvent]:
        """The events in a blob of dead letters; none if it is gone.

        Raises:
            InvalidInput: It holds something else.
        """
        content = await self.blobs.read("deadletter", name, max_bytes=_MOST_BYTES)
        if content is None:
            return []
        try:
            return [
                _event(item) for item in msgspec.json.decode(content, type=list[dict[str, Any]])
            ]
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise InvalidInput(f"Blob '{name}' holds no dead letters.", target=name) from error

    async def remove(self, name: str) -> None:
        """The events of a blob are dealt with."""
        known = await self.blobs.metadata("deadletter", name)
        if known is not None:
            await self.blobs.delete("deadletter", name, known["etag"])

    async def raise_again(self, container: str, name: str) -> bool:
        """Write one of the small blobs whose creation triggers something anew; False if it is gone.

        Raises:
            NotFound: It is none of those.
        """
        if container not in ("imports", "quarantine"):
            raise NotFound(f"Nothing is triggered by blobs in '{container}'.", target=container)
        place: Container = "imports" if container == "imports" else "quarantine"
        content = await self.blobs.read(place, name)
        if content is not None:
            await self.blobs.write(place, name, content)
        return content is not None


def blob_of(subject: str) -> tuple[str, str] | None:
    """Container and name of the blob that an event is about."""
    match = _BLOB_SUBJECT.fullmatch(subject)
    return (match[1], match[2]) if match else None


def _event(item: Mapping[str, Any]) -> DeadEvent:
    facts = {key.lower(): value for key, value in item.items()}
    data = item.get("data")
    return DeadEvent(
        kind=str(facts.get("eventtype") or facts.get("type") or ""),
        subject=str(facts.get("subject") or ""),
        data=data if isinstance(data, dict) else {},
        at=str(facts.get("eventtime") or facts.get("time") or ""),
        reason=str(facts.get("deadletterreason") or "unknown"),
        outcome=str(facts.get("lastdeliveryoutcome") or "unknown"),
        attempts=int(facts.get("deliveryattempts") or 0),
    )
