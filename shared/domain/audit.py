"""The audit log: who changed what, from where, with which result. Rules without I/O.

Each entry is a JSON object, kept and handed out as it was hashed (`shared.contract.audit_chain`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from shared.contract.audit_chain import START, Place, entry_hash

type Entry = Mapping[str, Any]
"""An entry of the log: the object of the API, `hash` included."""

MAX_DOCUMENT_BYTES = 16 << 10
"""Larger states and requests are kept as their size and hash."""
_MAX_TEXT = 300
_SECRET_NAME = re.compile(r"token|secret|password|connectionstring|accountkey|sig$", re.IGNORECASE)
_REMOVED = "[removed]"
_URL = re.compile(r"[a-z][a-z0-9+.-]{0,15}://[^\s\"']+", re.IGNORECASE)
_USER_INFO = re.compile(r"(://)[^/?#@\s]*@")


class Origin(StrEnum):
    """By which way a change came in."""

    REST = "Rest"
    DROP = "Drop"
    AUTOMATIC = "Automatic"
    KEYS = "Keys"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changed something: the object id and name of the token, its role values, the address
    that the request came from, and the program that sent it.
    """

    object_id: str
    name: str | None = None
    roles: tuple[str, ...] = ()
    address: str | None = None
    client: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The JSON form."""
        found: dict[str, Any] = {"objectId": self.object_id, "roles": list(self.roles)}
        for name, value in (
            ("name", self.name),
            ("address", self.address),
            ("client", self.client),
        ):
            if value:
                found[name] = value[:_MAX_TEXT]
        return found


SERVICE = Actor("open-device-update", "Open Device Update")
"""The actor of what the service does by itself."""
UNKNOWN = Actor("unknown")
"""The actor of what comes in without a token: storage does not say who has written a blob."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written down of one changing call.

    `action` is the operation's name, `target` the path of the thing below the instance. `before`
    and `after` are its states as the API shows them, `request` the body that was sent; None where
    there is none. `result` is `Succeeded`, `Unknown` or the code of an error.
    """

    request_id: str
    origin: Origin
    actor: Actor
    action: str
    target: str
    begun_at: str
    client_request_id: str | None = None
    request: Any = None
    before: Any = None
    after: Any = None
    result: str = "Unknown"
    status: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest place of an instance's chain, and the day that its next entry cannot precede."""

    place: Place = START
    day: str = ""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries to list; days are inclusive."""

    first_day: str | None = None
    last_day: str | None = None
    actor: str | None = None
    target: str | None = None
    action: str | None = None
    result: str | None = None


def sealed(instance: str, change: Change, head: Head, now: str) -> Entry:
    """The entry of a change, in its place after the head."""
    day = max(head.day, now[:10])
    number = head.place.number + 1
    entry: dict[str, Any] = {
        "id": entry_id(day, number),
        "instanceId": instance,
        "number": number,
        "day": day,
        "dateTime": now,
        "origin": change.origin.value,
        "actor": change.actor.to_wire(),
        "action": change.action,
        "target": change.target,
        "result": change.result,
        "requestId": change.request_id,
        "begunDateTime": change.begun_at,
        "previousHash": head.place.hash,
    }
    for name, value in (
        ("status", change.status),
        ("message", change.message),
        ("clientRequestId", change.client_request_id),
        ("request", change.request),
        ("before", change.before),
        ("after", change.after),
    ):
        if value is not None:
            entry[name] = value
    entry["hash"] = entry_hash(entry)
    return entry


def head_after(entry: Entry) -> Head:
    """The head once an entry is the newest."""
    return Head(Place(entry["number"], entry["hash"]), entry["day"])


def entry_id(day: str, number: int) -> str:
    """The id of an entry: it says where the entry lies."""
    return f"{day}-{number:012d}"


def place_of(identity: str) -> tuple[str, int] | None:
    """Day and number of an entry's id; None if it is no id."""
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})-(\d{12})", identity)
    return (found[1], int(found[2])) if found else None


def presentable(document: Any) -> Any:
    """A state or a request as it may be kept: without secrets, bounded.

    Addresses lose their query and user, for a signature may be in them; members with the name of a
    secret lose their value.
    """
    if document is None:
        return None
    clean = _without_secrets(document)
    text = json.dumps(clean, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(text) <= MAX_DOCUMENT_BYTES:
        return clean
    return {
        "isTruncated": True,
        "sizeInBytes": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
    }


def days_between(first: str, last: str) -> list[str]:
    """Every day from the first to the last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(start + timedelta(days=each)) for each in range((end - start).days + 1)]


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(name): _REMOVED if _SECRET_NAME.search(str(name)) else _without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return _URL.sub(lambda url: _USER_INFO.sub(r"\1", url[0]).partition("?")[0], value)
    return value
