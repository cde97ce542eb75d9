"""REST: the audit log, its entries and its proof; and the timer that anchors each day."""

import re
from datetime import date
from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.api import Api, Call
from shared.container import container
from shared.domain.access import Action
from shared.domain.audit import AuditQuery, place_of
from shared.domain.errors import InvalidInput, NotFound
from shared.http import audit_models as models
from shared.http.filters import FilterFields
from shared.http.route import TOP, QueryParameter, filter_by

api = Api()
bp = func.Blueprint()

_FROM = QueryParameter("from", "The first day, as in `2026-01-31` (UTC).")
_TO = QueryParameter("to", "The last day, as in `2026-01-31` (UTC).")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@api.operation(
    "GET",
    "audit",
    Action.AUDIT_READ,
    answer=models.AuditEntries,
    query=(
        filter_by(
            "actor eq '...'",
            "target eq '...'",
            "action eq '...'",
            "result eq '...'",
            "joined by `and`",
        ),
        _FROM,
        _TO,
        TOP,
    ),
    is_paged=True,
)
async def list_audit_entries(call: Call) -> Any:
    """List who changed what, the newest first. A page may be short, even empty, before the last."""
    page = await call.app.audit_log.page(
        call.instance, _query(call), token=call.page_token(), size=call.page_size()
    )
    return call.page(list(page.items), page)


@api.operation(
    "GET",
    "audit/{entryId}",
    Action.AUDIT_READ,
    answer=models.AuditEntry,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_audit_entry(call: Call) -> Any:
    """Read an entry of the audit log."""
    identity = call.part("entryId")
    place = place_of(identity)
    found = await call.app.audit_log.get(call.instance, *place) if place else None
    if found is None:
        raise NotFound(f"Audit entry '{identity}' does not exist.", target="entryId")
    return found


@api.operation(
    "GET",
    "audit:verify",
    Action.AUDIT_READ,
    answer=models.AuditProof,
    query=(_FROM, _TO),
)
async def verify_audit_log(call: Call) -> models.AuditProof:
    """Check that no entry of some days (by default 31) was removed, changed or inserted."""
    proof = await call.app.audit_proof.check(
        call.instance, _day(call, _FROM.name), _day(call, _TO.name)
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


@bp.timer_trigger(arg_name="timer", schedule="40 */10 * * * *", use_monitor=False)
async def keep_audit_log(timer: func.TimerRequest) -> None:
    """Finish entries that a crash has left open, and anchor the days that are over."""
    app = container()
    for instance in app.settings.instances:
        await app.audit.sweep(instance)
        await app.audit_proof.anchor(instance)


def _query(call: Call) -> AuditQuery:
    first, last = _day(call, _FROM.name), _day(call, _TO.name)
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


def _day(call: Call, name: str) -> str | None:
    text = call.query(name)
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise InvalidInput(f"'{name}' must be a day such as 2026-01-31.", target=name)
