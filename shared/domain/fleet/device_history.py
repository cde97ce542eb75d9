"""What became of updates on one device: by deployments, and behind their back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from shared.domain.fleet.counters import History, outcome_in
from shared.domain.fleet.device import DeviceRecord, DeviceState, installed_update
from shared.domain.updates.update_id import UpdateId

_LAST_MILLISECOND = 10**14
_MOST = _LAST_MILLISECOND - 1
"""The largest number of fourteen digits: a longer one would sort before the others as text."""
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Installation:
    """An update on a device. Times are ISO 8601, UTC; empty where they are not known.

    Without a deployment the device has merely said that the update is installed, since
    `started_at` at the latest.
    """

    update_id: UpdateId
    state: DeviceState
    started_at: str
    ended_at: str
    identity: str
    deployment_id: str | None = None
    group_id: str | None = None
    result_code: int | None = None
    extended_result_codes: tuple[int, ...] = ()
    retry_count: int = 0

    @property
    def position(self) -> str:
        """Sorts the newest first, as text, and what is of an unknown time last; the same for the
        same installation.
        """
        moment = datetime.fromisoformat(self.started_at).timestamp() if self.started_at else 0.0
        digest = hashlib.sha256(self.identity.encode()).hexdigest()[:_DIGEST]
        return f"{min(_LAST_MILLISECOND - int(moment * 1000), _MOST):014d}-{digest}"


def present_installation(record: DeviceRecord) -> Installation | None:
    """What the device was last asked for, and how it stands."""
    return of_history(outcome_in(record, record.commanded)) if record.commanded else None


def of_history(past: History) -> Installation:
    """What a device has done in a deployment.

    It never ends before it has begun, whatever the clocks of hub and service say; and a command
    that had to be given twice counts from the second time.
    """
    asked_at, ended_at = past.commanded.at, past.ended_at
    return Installation(
        update_id=past.commanded.update_id,
        state=past.state,
        started_at=asked_at,
        ended_at=max(ended_at, asked_at) if ended_at else "",
        identity=past.workflow_id,
        deployment_id=past.deployment_id,
        group_id=past.group_id,
        result_code=past.result_code,
        extended_result_codes=past.extended_result_codes,
        retry_count=past.retry_count,
    )


def found_installed(before: DeviceRecord | None, after: DeviceRecord) -> Installation | None:
    """What a change shows to be installed that no workflow has ended with."""
    installed = installed_update(after)
    if installed is None or (before is not None and installed_update(before) == installed):
        return None
    if any(item.has_installed(installed) for item in after.evidence):
        return None
    at = after.changed_at
    return Installation(
        installed, DeviceState.SUCCEEDED, started_at=at, ended_at=at, identity=str(installed)
    )
