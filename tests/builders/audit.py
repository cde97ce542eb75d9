"""Builders and looks that tests of audit share."""

from __future__ import annotations

from typing import Any

from shared.contract.audit_chain import Place, entry_hash
from shared.domain.audit import Actor, Change, Head, Origin
from shared.ports import Stored
from shared.services.audit.proof import AuditProof, Proof
from shared.services.audit.trail import AuditTrail
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock
from tests.fakes.storage import MemoryBlobs


def a_change(request_id: str, **given: Any) -> Change:
    facts: dict[str, Any] = {
        "request_id": request_id,
        "origin": Origin.REST,
        "actor": Actor("alice", roles=("DeviceUpdateAdministrator",)),
        "action": "create_or_update_deployment",
        "target": "management/groups/lobby/deployments/one",
        "begun_at": "2024-05-01T12:00:00.000000+00:00",
    }
    return Change(**{**facts, **given})


INSTANCE = "factory"


DAY = 86_400.0


class Log:
    """A log with three days of four entries each; the first two days are anchored."""

    def __init__(self) -> None:
        self.entries = MemoryAudit()
        self.clock = FixedClock(step_seconds=1.0)
        self.blobs = MemoryBlobs(self.clock)
        self.trail = AuditTrail(self.entries, self.clock)

    async def fill(self, days: int = 3, a_day: int = 4) -> Log:
        for day in range(days):
            for each in range(a_day):
                async with self.trail.change(INSTANCE, a_change(f"{day}-{each}")) as outcome:
                    outcome.after = {"each": each}
            if day < days - 1:
                self.clock.advance(DAY)
                await self.proof.anchor(INSTANCE)
        return self

    @property
    def proof(self) -> AuditProof:
        return AuditProof(self.entries, self.blobs, self.clock)

    async def check(self, first: str | None = None, last: str | None = None) -> Proof:
        return await self.proof.check(INSTANCE, first, last)

    def entry(self, number: int) -> dict[str, Any]:
        return next(item for (_, _, at), item in self.entries.rows.items() if at == number)

    def key(self, number: int) -> tuple[str, str, int]:
        return next(key for key in self.entries.rows if key[2] == number)

    def rehash(self, number: int) -> None:
        """Give an entry the hash that fits what it says now."""
        self.entry(number)["hash"] = entry_hash(self.entry(number))

    def forge(self, number: int) -> None:
        """Chain all entries from one on anew, the head too, as who owns the table can."""
        last = max(key[2] for key in self.entries.rows)
        for at in range(number, last + 1):
            if at > 1:
                self.entry(at)["previousHash"] = self.entry(at - 1)["hash"]
            self.rehash(at)
        head = Head(Place(last, self.entry(last)["hash"]), self.entry(last)["day"])
        self.entries.heads[INSTANCE] = Stored(head, "forged")
