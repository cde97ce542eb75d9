"""What each thing that failed for good was for, in words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.dead_letter import DeadEvent, blob_of
from shared.messages import MESSAGES
from shared.topology import QUEUES, Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from odu_cli.poison.storage import DeadMessage, OperationNote

_PLAIN_WORDS = re.compile(r"[A-Za-z ,.]{1,100}")
_ABOUT = (
    "instance",
    "operation",
    "update",
    "group",
    "deployment",
    "bucket",
    "devices",
    "unexplained",
    "blob",
)


@dataclass(frozen=True, slots=True)
class PoisonItem:
    """One thing that failed for good.

    Attributes:
        place: The work queue, `blobs` or `events`.
        id: Of the message; for events, the name of their blob.
        what: The work.
        about: The ids that it was about.
        at: When it ended here, ISO 8601.
        reason: The last error, where one is known.
        is_over: Whether its operation has ended, so that a replay does nothing.
    """

    place: str
    id: str
    what: str
    about: Mapping[str, Any]
    at: str
    reason: str | None
    is_over: bool = False


def body_of(message: DeadMessage) -> Mapping[str, Any]:
    """The body of a message of the service; empty if it is none."""
    try:
        body = json.loads(message.text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def subject_of(place: str, message: DeadMessage, *, is_blob: bool) -> tuple[str, dict[str, Any]]:
    """The work that a message asks for, and the ids that it is about."""
    body = body_of(message)
    if is_blob:
        what, about = _of_blob(str(body.get("ContainerName")), str(body.get("BlobName")))
    else:
        about = {key: body[key] for key in _ABOUT if key in body}
        what = MESSAGES[queue_named(place)].work
    return (what if body else f"{what} (the message is not one of ours)"), about


def of_message(
    place: str,
    message: DeadMessage,
    subject: tuple[str, dict[str, Any]],
    operation: OperationNote | None,
) -> PoisonItem:
    """Explain a message, with the operation that it is about, if there is one."""
    what, about = subject
    if operation is not None:
        about = {**about, "status": operation.status, "stage": operation.stage}
    return PoisonItem(
        place=place,
        id=message.identity,
        what=what,
        about=about,
        at=message.inserted_at,
        reason=operation.error if operation else None,
        is_over=operation is not None and operation.is_over,
    )


def of_event(place: str, letter: str, event: DeadEvent) -> PoisonItem:
    """Explain an event."""
    what = f"deliver the event {event.kind}"
    about = {
        key: event.data[key]
        for key in ("instance", "bucket", "hubName", "deviceId", "moduleId")
        if event.data.get(key) is not None
    }
    blob = blob_of(event.subject)
    if blob is not None:
        what, about = _of_blob(*blob)
    # anything but plain words may hold the address of the webhook, with its key
    outcome = event.outcome if _PLAIN_WORDS.fullmatch(event.outcome) else "…"
    reason = f"{event.reason} after {event.attempts} attempts: {outcome}"
    return PoisonItem(place=place, id=letter, what=what, about=about, at=event.at, reason=reason)


def queue_named(place: str) -> Queue:
    """The work queue that a place is."""
    return next(name for name in QUEUES if name == place)


def _of_blob(container: str, name: str) -> tuple[str, dict[str, Any]]:
    if container == "quarantine" and name.count("/") == 2:
        instance, operation, _ = name.split("/")
        return "scan the files of an import", {"instance": instance, "operation": operation}
    return "start the import of a dropped manifest", {"blob": f"{container}/{name}"}
