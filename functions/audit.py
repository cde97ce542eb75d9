"""REST: the audit log, its entries and its proof."""

from http import HTTPStatus
from typing import cast

from functions.api import Api, Call
from shared.domain.access import Action
from shared.domain.audit import AuditQuery, Entry, place_of
from shared.domain.errors import NotFound
from shared.http.days import FIRST_DAY, LAST_DAY, day_of
from shared.http.filters import FilterFields
from shared.http.models import Page
from shared.http.models import audit as models
from shared.http.route import TOP, filter_by

api = Api()


@api.operation(
    "GET",
    "audit",
    Action.AUDIT_READ,
    query=(
        filter_by(
            "actor eq '...'",
            "target eq '...'",
            "action eq '...'",
            "result eq '...'",
            "joined by `and`",
        ),
        FIRST_DAY,
        LAST_DAY,
        TOP,
    ),
    is_paged=True,
    is_additional=True,
)
async def list_audit_entries(call: Call) -> Page[models.AuditEntry]:
    """List who changed what, the newest first. A page may be short, even empty, before the last."""
    page = await call.app.ports.audit_log.page(
        call.instance, _query(call), token=call.page_token(), size=call.page_size()
    )
    return call.page([_verbatim(item) for item in page.items], page)


@api.operation(
    "GET",
    "audit/{entryId}",
    Action.AUDIT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def get_audit_entry(call: Call) -> models.AuditEntry:
    """Read an entry of the audit log."""
    identity = call.part("entryId")
    place = place_of(identity)
    found = await call.app.ports.audit_log.get(call.instance, *place) if place else None
    if found is None:
        raise NotFound(f"Audit entry '{identity}' does not exist.", target="entryId")
    return _verbatim(found)


@api.operation(
    "GET",
    "audit:verify",
    Action.AUDIT_READ,
    query=(FIRST_DAY, LAST_DAY),
    is_additional=True,
)
async def verify_audit_log(call: Call) -> models.AuditProof:
    """Check that no entry of some days (by default 31) was removed, changed or inserted."""
    proof = await call.app.audit_proof.check(
        call.instance, day_of(call.query("from"), "from"), day_of(call.query("to"), "to")
    )
    return models.AuditProof(
        is_intact=proof.first is None,
        first_day=proof.first_day,
        last_day=proof.last_day,
        entry_count=proof.entry_count,
        anchor_count=proof.anchor_count,
        finding_count=proof.finding_count,
        last_number=proof.head.number,
        last_hash=proof.head.hash,
        first_finding=models.AuditFinding(number=proof.first.number, reason=proof.first.reason)
        if proof.first
        else None,
    )


def _verbatim(entry: Entry) -> models.AuditEntry:
    """The entry as it was hashed, so that whoever has it can check it."""
    return cast("models.AuditEntry", entry)


def _query(call: Call) -> AuditQuery:
    first, last = day_of(call.query("from"), "from"), day_of(call.query("to"), "to")
    text = call.query("filter")
    if text is None:
        return AuditQuery(first, last)
    fields = FilterFields(text, "actor", "target", "action", "result")
    return AuditQuery(
        first_day=first,
        last_day=last,
        actor=fields.text("actor"),
        target=fields.text("target"),
        action=fields.text("action"),
        result=fields.text("result"),
    )
