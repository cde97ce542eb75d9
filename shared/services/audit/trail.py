"""Writes the audit log.

A change is noted before it is made and gets its entry when it has ended, so that a crash in between
leaves the note: the sweep turns notes that are left into entries with the result `Unknown`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.audit import (
    SERVICE,
    Change,
    Entry,
    Head,
    Origin,
    head_after,
    presentable,
    sealed,
)
from shared.domain.errors import DeviceUpdateError
from shared.ports import AuditLog, Clock, Stored
from shared.services.retrying import KeyedLocks, retry_on_conflict

SUCCEEDED = "Succeeded"
_UNFINISHED_MINUTES = 15
"""No call and no message is worked on for so long."""
_NOTES_A_SWEEP = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What the maker of a change says of it; `is_made` is False where nothing had to be changed."""

    after: Any = None
    status: int | None = None
    is_made: bool = True


@dataclass(slots=True)
class AuditTrail:
    """Appends entries to the chain of an instance."""

    entries: AuditLog
    clock: Clock
    _heads: dict[str, Stored[Head]] = field(default_factory=dict)
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    @asynccontextmanager
    async def change(self, instance: str, change: Change) -> AsyncIterator[Outcome]:
        """Write down the change that is made within the block, whatever becomes of it.

        Raises:
            DependencyFailed: It could not be noted; then it must not be made.
        """
        change = replace(
            change, request=presentable(change.request), before=presentable(change.before)
        )
        is_first = await self.entries.begin(instance, change)
        outcome = Outcome()
        try:
            yield outcome
        except DeviceUpdateError as error:
            ended = replace(change, result=error.code, message=error.message, status=outcome.status)
            await self._end(instance, ended)
            raise
        except Exception:
            await self._end(instance, replace(change, result=DeviceUpdateError.default_code))
            raise
        if not outcome.is_made and is_first:
            await self.entries.discard(instance, change.request_id)
            return
        await self._end(
            instance,
            replace(
                change,
                result=SUCCEEDED,
                after=presentable(outcome.after),
                status=outcome.status,
            ),
        )

    async def refused(self, instance: str, change: Change) -> None:
        """Write down a call that was not let in."""
        await self._append(instance, change, None)

    async def sweep(self, instance: str) -> None:
        """Give an entry to changes whose end nobody wrote down."""
        now = datetime.fromisoformat(self.clock.now())
        before = (now - timedelta(minutes=_UNFINISHED_MINUTES)).isoformat()
        for change in await self.entries.begun(instance, before=before, size=_NOTES_A_SWEEP):
            log.warning("audit: nobody wrote down how %s on %s ended", change.action, change.target)
            await self._end(instance, change)

    async def _end(self, instance: str, change: Change) -> None:
        """Give a change its entry. A failure leaves the note to the sweep: the change is made."""
        try:
            await self._append(instance, change, change.request_id)
        except DeviceUpdateError as error:
            log.error("audit: %s on %s is noted only: %s", change.action, change.target, error)  # noqa: TRY400 (the reason is of storage, its trace says nothing more)

    async def _append(self, instance: str, change: Change, ended: str | None) -> None:
        async def cycle() -> Entry:
            known = self._heads.pop(instance, None) or await self.entries.head(instance)
            head = known.value if known else Head()
            entry = sealed(instance, change, head, self.clock.now())
            etag = await self.entries.append(instance, entry, known.etag if known else None, ended)
            self._heads[instance] = Stored(head_after(entry), etag)
            return entry

        async with self._locks.lock(instance):
            await retry_on_conflict(cycle)


def automatic(identity: str, action: str, target: str, now: str, **facts: Any) -> Change:
    """A change that the service makes by itself; `identity` is the same at each try."""
    return Change(
        request_id=identity,
        origin=Origin.AUTOMATIC,
        actor=SERVICE,
        action=action,
        target=target,
        begun_at=now,
        request=facts or None,
    )
