"""Events that Event Grid has given up delivering, as it leaves them in a container.

https://learn.microsoft.com/azure/event-grid/manage-event-delivery
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.domain.errors import InvalidInput

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


def dead_events(content: bytes, name: str) -> list[DeadEvent]:
    """The events in a blob of dead letters.

    Raises:
        InvalidInput: It holds something else; `name` is its target.
    """
    try:
        return [_event(item) for item in msgspec.json.decode(content, type=list[dict[str, Any]])]
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise InvalidInput(f"Blob '{name}' holds no dead letters.", target=name) from error


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
