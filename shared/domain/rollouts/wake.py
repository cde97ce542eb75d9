"""When time alone may move a roll-out: until then a group in which nothing changes needs no sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.domain.rollouts.figures import deadlines_of
from shared.domain.rollouts.ledger import Ledger
from shared.domain.rollouts.pace import SAVED_UP

if TYPE_CHECKING:
    from shared.domain.rollouts.progress import Progress
    from shared.domain.rollouts.specification import Rollout


def wakes_at(
    rollout: Rollout,
    progress: Progress,
    workflow_id: str,
    counters: Iterable[Mapping[str, int]],
    ledgers: Iterable[Ledger],
    now: str,
    *,
    lost_at: str = "",
) -> str:
    """The first instant after `now` at which time brings something; empty if it brings nothing.

    That is the end of a bake or of the longest wait, a deadline of devices that were asked, a
    window that opens or closes, the end of the roll-out, or what a rate has saved up.

    Args:
        rollout: What was asked for.
        progress: Where it stands.
        workflow_id: The deployment's.
        counters: Of each class of the group.
        ledgers: Its entries in the ledgers of the buckets.
        now: ISO 8601, UTC: when counters and ledgers were read.
        lost_at: When passes that have not come by then are taken for lost; empty for unknown.
    """
    moment = datetime.fromisoformat(now)
    counted = (
        datetime.fromtimestamp(end, UTC)
        for cells in counters
        for end in deadlines_of(cells, workflow_id, rollout.deadlines)
    )
    moments = (
        *_of_progress(rollout, progress),
        *_of_ledgers(rollout, progress, ledgers, lost_at),
        *counted,
    )
    first = min((each for each in moments if each > moment), default=None)
    return first.isoformat(timespec="microseconds") if first is not None else ""


def _of_progress(rollout: Rollout, progress: Progress) -> Iterator[datetime]:
    if rollout.end_date_time is not None:
        yield datetime.fromisoformat(rollout.end_date_time)
    gate = rollout.phases[progress.phase].gate
    if progress.met_since:
        yield datetime.fromisoformat(progress.met_since) + gate.bake
    if gate.longest_wait is not None:
        yield datetime.fromisoformat(progress.opened[-1].at) + gate.longest_wait


def _of_ledgers(
    rollout: Rollout, progress: Progress, ledgers: Iterable[Ledger], lost_at: str
) -> Iterator[datetime]:
    is_waited_for = is_missing = False
    for ledger in ledgers:
        is_waited_for |= ledger.due > 0
        is_missing |= ledger.phase < progress.phase
        if ledger.held and ledger.next_at:
            yield datetime.fromtimestamp(ledger.next_at, UTC)
        if ledger.closes_at and rollout.on_close == "Withdraw":
            yield datetime.fromtimestamp(ledger.closes_at, UTC)
    if is_waited_for:
        granted_at = progress.granted_at or progress.opened[0].at
        yield datetime.fromisoformat(granted_at) + SAVED_UP
    if is_missing and lost_at:
        yield datetime.fromisoformat(lost_at)
