"""Drops what has been kept for long enough, in bounded steps."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.fleet.device import BUCKETS
from shared.domain.retention import Retention
from shared.ports import AuditLog, Blobs, Clock, Devices, Operations, Trends
from shared.services.audit.trail import AuditTrail, automatic
from shared.services.maintenance.old_deployments import OldDeployments
from shared.services.operations import operation_id

_MOST_A_RUN = 2000
"""Rows of a kind that one run drops, installations by bucket: what is left waits for the next."""
_MOST_DEPLOYMENTS_A_RUN = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RetentionRuns:
    """Applies the settings to an instance; running again drops what is left."""

    retention: Retention
    operations: Operations
    audit_log: AuditLog
    audit: AuditTrail
    trends: Trends
    devices: Devices
    old_deployments: OldDeployments
    blobs: Blobs
    clock: Clock

    async def run(self, instance: str) -> None:
        """Drop what is too old."""
        oldest = operation_id(self._days_ago(self.retention.operation_days).isoformat(), "")
        operations = await self.operations.drop_ended(instance, older_than=oldest, size=_MOST_A_RUN)
        day = str(self._days_ago(self.retention.compliance_days).date())
        days = await self.trends.drop_days(instance, day, size=_MOST_A_RUN)
        dropped = {
            "operations": operations,
            "days": days,
            "audit entries": await self._audit(instance),
            "files": await self._exports(instance),
            "deployments": await self._deployments(instance),
            "points of progress": await self._progress(instance),
            "installations": await self._history(instance),
        }
        if any(dropped.values()):
            told = ", ".join(f"{count} {what}" for what, count in dropped.items())
            log.info("retention of %s: dropped %s", instance, told)

    async def _deployments(self, instance: str) -> int:
        before = self._days_ago(self.retention.deployment_days).isoformat(timespec="microseconds")
        return await self.old_deployments.drop(instance, before, size=_MOST_DEPLOYMENTS_A_RUN)

    async def _progress(self, instance: str) -> int:
        day = str(self._days_ago(self.retention.progress_days).date())
        return await self.trends.drop_points(instance, day, size=_MOST_A_RUN)

    async def _history(self, instance: str) -> int:
        """Bucket by bucket, each in as few steps as it takes."""
        day, dropped = str(self._days_ago(self.retention.history_days).date()), 0
        for bucket in range(BUCKETS):
            dropped += await self.devices.drop_installations(
                instance, bucket, day, size=_MOST_A_RUN
            )
        return dropped

    async def _exports(self, instance: str) -> int:
        """Names begin with the time at which an export began, the newest first."""
        first = operation_id(self._days_ago(self.retention.export_days).isoformat(), "")
        prefix, dropped = f"{instance}/exports/", 0
        token: str | None = None
        while dropped < _MOST_A_RUN:
            page = await self.blobs.list("uploads", prefix, token)
            for blob in page.items:
                if blob.name.removeprefix(prefix) > first:
                    await self.blobs.delete("uploads", blob.name, blob.etag)
                    dropped += 1
            token = page.token
            if token is None:
                break
        return dropped

    async def _audit(self, instance: str) -> int:
        """Raise the floor of the chain before anything below it goes, and write that down too."""
        first_kept = str(self._days_ago(self.retention.audit_days_in_force).date())
        last_old = str(self._days_ago(self.retention.audit_days_in_force + 1).date())
        place = await self.audit_log.newest_until(instance, last_old)
        if place is None:
            return 0
        floor = await self.audit_log.floor(instance)
        if place.number > floor.number:
            change = automatic(
                f"retention-{place.number}",
                "drop_audit_entries",
                "audit",
                self.clock.now(),
                firstDayKept=first_kept,
                lastNumberDropped=place.number,
            )
            async with self.audit.change(instance, change):
                await self.audit_log.raise_floor(instance, place)
        return await self.audit_log.drop_before(instance, first_kept, size=_MOST_A_RUN)

    def _days_ago(self, days: int) -> datetime:
        return datetime.fromisoformat(self.clock.now()) - timedelta(days=days)
