"""How many devices a roll-out may ask: allowances by bucket, which only ever grow.

An allowance is spent in the transaction that claims a device, so neither a late reader nor two
passes at once exceed it; whoever sees an old one asks too few. The evaluator grants more as devices
end, in whole chunks to few buckets: thinly spread, a grant would cost more requests than asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from shared.domain.rollouts.ledger import Ledger

if TYPE_CHECKING:
    from shared.domain.rollouts.progress import Progress
    from shared.domain.rollouts.specification import Rollout

CHUNK = 25
UNBOUNDED = 1 << 60
SAVED_UP = timedelta(minutes=2)
"""What is not asked in so long is lost: a rate never catches up in a burst."""


@dataclass(frozen=True, slots=True)
class Grants:
    """The progress with larger allowances, and the buckets that got them."""

    progress: Progress
    buckets: tuple[int, ...]


def allowance(
    rollout: Rollout, progress: Progress, bucket: int, *, is_member: bool
) -> tuple[int, int] | None:
    """How many devices may be asked in a bucket at all, and how many of phases by count; None where
    this ask takes no room.
    """
    if not _is_paced(rollout) and not is_member:
        return None
    asks = progress.allow_asks.get(bucket, 0) if _is_paced(rollout) else UNBOUNDED
    return asks, progress.allow_members.get(bucket, 0)


def grants(
    rollout: Rollout, progress: Progress, ledgers: Mapping[int, Ledger], in_flight: int, now: str
) -> Grants | None:
    """What may be asked beyond what was allowed so far; None if nothing is, or too little.

    Args:
        rollout: The roll-out.
        progress: Where it stands.
        ledgers: Its entries in the ledgers, by bucket.
        in_flight: Devices asked that may still answer in time; read after the ledgers.
        now: ISO 8601, UTC.
    """
    due = {bucket: ledger.due for bucket, ledger in ledgers.items() if ledger.due}
    if not due or not progress.may_ask:
        return None
    granted_at = progress.granted_at or progress.opened[0].at
    waited = datetime.fromisoformat(now) - datetime.fromisoformat(granted_at)
    bounds = [
        _room(rollout, progress, ledgers, in_flight, waited),
        _members_left(rollout, progress),
    ]
    most = min((bound for bound in bounds if bound is not None), default=0)
    members = bounds[1] if bounds[1] is not None else UNBOUNDED
    least = min(CHUNK, (rollout.maximum_in_flight or UNBOUNDED) // 4, sum(due.values()), members)
    if most < 1 or (most < least and waited < SAVED_UP):
        return None
    return _handed_out(rollout, progress, ledgers, due, most, now)


def members_of(rollout: Rollout, phase: int) -> int:
    """How many devices the phases by count take in, up to one."""
    return sum(item.select.count or 0 for item in rollout.phases[: phase + 1])


def is_taken(rollout: Rollout, progress: Progress, bucket: int, members: int) -> bool:
    """Whether the open phase by count has all its devices elsewhere, so that a bucket in which it
    took in so many has none left to give.
    """
    left = members_of(rollout, progress.phase) - sum(progress.allow_members.values())
    return left <= 0 and members >= progress.allow_members.get(bucket, 0)


def is_spent(rollout: Rollout, progress: Progress, ledgers: Mapping[int, Ledger]) -> bool:
    """Whether a phase by count has taken in as many devices as it is to, or as there are where it
    was allowed to.
    """
    if rollout.phases[progress.phase].select.count is None:
        return False
    left = members_of(rollout, progress.phase) - sum(progress.allow_members.values())
    waiting = any(
        allowed > ledgers[bucket].members and (ledgers[bucket].due or ledgers[bucket].held)
        for bucket, allowed in progress.allow_members.items()
        if bucket in ledgers
    )
    return left <= 0 and not waiting


def needs_pass(rollout: Rollout, progress: Progress, bucket: int, ledger: Ledger, now: str) -> bool:
    """Whether a pass over a bucket is missing: none has been for the open phase, or devices that
    were left have room now, or their window has opened.
    """
    if ledger.phase < progress.phase:
        return True
    if ledger.held and ledger.next_at <= datetime.fromisoformat(now).timestamp():
        return True
    if not ledger.due:
        return False
    most = allowance(rollout, progress, bucket, is_member=False)
    return not is_limited(rollout) or (most is not None and ledger.asks < most[0])


def may_be_closed(rollout: Rollout, ledger: Ledger, now: str) -> bool:
    """Whether commands in a bucket may have to be taken back because a window has closed. Where it
    is not known when one closes, a pass that was to write it down has been lost.
    """
    if rollout.on_close != "Withdraw":
        return False
    if not ledger.closes_at:
        return bool(rollout.windows)
    return ledger.closes_at <= datetime.fromisoformat(now).timestamp()


def _room(
    rollout: Rollout,
    progress: Progress,
    ledgers: Mapping[int, Ledger],
    in_flight: int,
    waited: timedelta,
) -> int | None:
    if not _is_paced(rollout):
        return None
    unspent = sum(progress.allow_asks.values()) - sum(item.asks for item in ledgers.values())
    bounds = []
    if rollout.maximum_in_flight is not None:
        bounds.append(rollout.maximum_in_flight - in_flight)
    if rollout.rate is not None:
        minutes = min(waited, SAVED_UP) / timedelta(minutes=1)
        bounds.append(int(rollout.rate.per_minute * minutes))
    return min(bounds) - max(0, unspent)


def _members_left(rollout: Rollout, progress: Progress) -> int | None:
    if rollout.phases[progress.phase].select.count is None:
        return None
    return members_of(rollout, progress.phase) - sum(progress.allow_members.values())


def _handed_out(
    rollout: Rollout,
    progress: Progress,
    ledgers: Mapping[int, Ledger],
    due: Mapping[int, int],
    most: int,
    now: str,
) -> Grants | None:
    is_counted = rollout.phases[progress.phase].select.count is not None
    asks, members = dict(progress.allow_asks), dict(progress.allow_members)
    served = []
    for bucket in sorted(due, key=lambda bucket: _draw(progress, bucket)):
        ledger = ledgers[bucket]
        unspent = asks.get(bucket, 0) - ledger.asks if _is_paced(rollout) else 0
        more = min(CHUNK, due[bucket] - max(0, unspent), most)
        if more < 1:
            continue
        most -= more
        served.append(bucket)
        if _is_paced(rollout):
            asks[bucket] = max(asks.get(bucket, 0), ledger.asks) + more
        if is_counted:
            members[bucket] = max(members.get(bucket, 0), ledger.members) + more
    if not served:
        return None
    grown = msgspec.structs.replace(
        progress, allow_asks=asks, allow_members=members, granted_at=now
    )
    return Grants(grown, tuple(served))


def is_limited(rollout: Rollout) -> bool:
    """Whether devices are asked only as they are granted: by cap, rate or count."""
    return _is_paced(rollout) or any(item.select.count is not None for item in rollout.phases)


def _is_paced(rollout: Rollout) -> bool:
    return rollout.maximum_in_flight is not None or rollout.rate is not None


def _draw(progress: Progress, bucket: int) -> bytes:
    """An order of buckets that differs from roll-out to roll-out."""
    return hashlib.sha256(f"{progress.opened[0].at}/{bucket}".encode()).digest()
