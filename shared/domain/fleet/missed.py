"""Devices that are due and that nothing will have looked at, because a message was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.domain.fleet.asking import is_overdue
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import BUCKETS, DeviceRecord
from shared.domain.fleet.reconcile import desired_command
from shared.domain.instant import seconds_between
from shared.domain.rollouts.ledger import ledger_of

UNTIL_NEXT_RECOUNT = timedelta(minutes=BUCKETS)
"""Each minute another bucket is recounted."""


def seconds_until_look(
    record: DeviceRecord,
    deployments: Sequence[Deployment],
    ledger: Mapping[str, int],
    now: str,
) -> float | None:
    """In how many seconds a device is to be looked at by itself; None if others see to it.

    Args:
        record: The device.
        deployments: All of its group, as `by_precedence` has them.
        ledger: What passes have written down about the group in the device's bucket.
        now: ISO 8601, UTC.
    """
    if is_overdue(record, now):
        return 0.0
    decision = desired_command(record, deployments, now)
    if decision.command is not None:
        return None if _is_on_its_way(decision.deployment, ledger, now) else 0.0
    if not decision.remind_at:
        return None
    ahead = seconds_between(now, decision.remind_at)
    return ahead if ahead <= UNTIL_NEXT_RECOUNT.total_seconds() else None


def _is_on_its_way(deployment: Deployment | None, ledger: Mapping[str, int], now: str) -> bool:
    """Whether a fan-out or a pass over the bucket will still come to the device."""
    if deployment is None or deployment.is_own:
        return False
    if not deployment.is_fanned_out or deployment.fan_out_until > now:
        return True
    if deployment.progress is None:
        return False
    known = ledger_of(ledger, deployment.workflow_id)
    return known.phase < deployment.progress.phase or known.due > 0
