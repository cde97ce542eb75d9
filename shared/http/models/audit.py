"""The JSON objects of the audit log. All are additional to the published API."""

from __future__ import annotations

from typing import Any, Literal

from shared.http.models.common import Count, Model


class AuditActor(Model):
    """Who changed something.

    `address` is where the request came from, as the service's front end has seen it; `client` the
    program that sent it.
    """

    object_id: str
    roles: list[str]
    name: str | None = None
    address: str | None = None
    client: str | None = None


class AuditEntry(Model):
    """One change, or the try at one.

    `hash` is the SHA-256 of the entry without it, as canonical JSON: members sorted, no white
    space; `previousHash` is that of the entry with the number before, 64 zeros for the first.
    `result` is `Succeeded`, the code of an error, or `Unknown` where the service stopped before it
    could say. `before` and `after` are the states as the API shows them; what is large is kept as
    its size and hash, and secrets are removed.
    """

    id: str
    instance_id: str
    number: Count
    day: str
    date_time: str
    begun_date_time: str
    origin: Literal["Rest", "Drop", "Automatic", "Keys"]
    actor: AuditActor
    action: str
    target: str
    result: str
    request_id: str
    previous_hash: str
    hash: str
    status: int | None = None
    message: str | None = None
    client_request_id: str | None = None
    request: Any = None
    before: Any = None
    after: Any = None


class AuditFinding(Model):
    """Where the log does not hold, and why."""

    number: Count
    reason: str


class AuditProof(Model):
    """What a check of the audit log has found; `firstFinding` names the first entry at fault."""

    is_intact: bool
    first_day: str
    last_day: str
    entry_count: Count
    anchor_count: Count
    finding_count: Count
    last_number: Count
    last_hash: str
    first_finding: AuditFinding | None = None
