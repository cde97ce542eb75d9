"""What needs an operator: causes with how many devices each concerns; from counters alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.fleet.compliance import (
    connections,
    count_before,
    failing_counts,
    installed_counts,
    working_counts,
)
from shared.domain.fleet.counters import UNHEALTHY, Cell
from shared.domain.fleet.failure import failure_counted_as
from shared.domain.fleet.queries import SILENT_DAYS, STUCK_DAYS, Condition, days_before
from shared.domain.operation import OperationStatus
from shared.ports import Clock, NewClasses, Operations, Recounts, Updates
from shared.services.operations import operation_id
from shared.services.shared_reads import FleetFigures

_RECENT_DAYS = 7
_MOST_IMPORTS = 200
_MOST_RECALLED = 200
_MOST_HELD = 1000


class Cause(StrEnum):
    """Why something needs attention."""

    FAILED = "Failed"
    SILENT = "Silent"
    STUCK = "Stuck"
    UNHEALTHY = "Unhealthy"
    REFUSED_IMPORT = "RefusedImport"
    RECALLED = "RecalledInstalled"
    DRIFT = "CounterDrift"
    HELD_BACK = "ClassesHeldBack"
    POISON = "FailedForGood"
    ROLLOUT = "RolloutHeld"


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """One thing to look at: `count` devices, or other things where `counts_devices` is False.

    `code` is a failure's code or the error's; `subject` the update, queue or deployment that it is
    about, the last of a `group`;
    `filter` what lists the devices, where it is about devices that a list can select.
    """

    cause: Cause
    message: str
    next_step: str
    count: int
    code: str | None = None
    subject: str | None = None
    group: str | None = None
    counts_devices: bool = True
    filter: str | None = None


@dataclass(slots=True)
class Attention:
    """Collects what needs attention in an instance: a few table calls, whatever the fleet."""

    fleet: FleetFigures
    updates: Updates
    operations: Operations
    recounts: Recounts
    clock: Clock
    new_classes: NewClasses
    most_new_classes: int

    async def items(self, instance: str) -> list[AttentionItem]:
        """Everything, what concerns most devices first."""
        rollups = await self.fleet.rollups(instance)
        rows = [cells for rollup in rollups.values() for cells in rollup.counts.values()]
        failing: Counter[str] = Counter()
        installed: Counter[str] = Counter()
        for cells in rows:
            failing.update(failing_counts(cells))
            installed.update(
                {str(update): count for update, count in installed_counts(cells).items()}
            )
        found = [
            *_failed(failing),
            *self._silent(connections(rows).heard),
            *self._stuck(rows),
            *_unhealthy(sum(cells.get(UNHEALTHY, 0) for cells in rows)),
            *await self._recalled(instance, installed),
            *await self._refused_imports(instance),
            *await self._drifted(instance),
            *await self._held_back(instance),
        ]
        return sorted(found, key=lambda item: (not item.counts_devices, -item.count))

    def _silent(self, heard: Mapping[str, int]) -> Sequence[AttentionItem]:
        limit = days_before(self.clock.now(), SILENT_DAYS)
        count = count_before(heard, limit)
        if not count:
            return []
        return [
            AttentionItem(
                cause=Cause.SILENT,
                message=f"They have reported nothing for {SILENT_DAYS} days or more.",
                next_step="Look whether they have power and a connection, or delete them.",
                count=count,
                filter=f"state eq '{Condition.SILENT}'",
            )
        ]

    def _stuck(self, rows: Sequence[Mapping[Cell, int]]) -> Sequence[AttentionItem]:
        limit = days_before(self.clock.now(), STUCK_DAYS)
        counts = Counter[str]()
        for cells in rows:
            counts.update(working_counts(cells))
        count = count_before(counts, limit)
        if count <= 0:
            return []
        return [
            AttentionItem(
                cause=Cause.STUCK,
                message="They work on a deployment and have said nothing about it for a day.",
                next_step="Look at one of them, collect its logs, or cancel the deployment.",
                count=count,
                filter=f"state eq '{Condition.STUCK}'",
            )
        ]

    async def _recalled(self, instance: str, installed: Counter[str]) -> list[AttentionItem]:
        page = await self.updates.list(instance, is_deployable=False, size=_MOST_RECALLED)
        return [
            AttentionItem(
                cause=Cause.RECALLED,
                message=f"They have an update that was recalled: {update.recall.reason}",
                next_step="Deploy another version to them.",
                count=installed[str(update.update_id)],
                subject=str(update.update_id),
                filter=f"installedUpdate eq '{update.update_id}'",
            )
            for update in (item.value for item in page.items)
            if update.recall is not None and installed[str(update.update_id)]
        ]

    async def _refused_imports(self, instance: str) -> list[AttentionItem]:
        since = operation_id(self._days_ago(_RECENT_DAYS), "")
        page = await self.operations.list(
            instance, None, size=_MOST_IMPORTS, kind="import", newer_than=since
        )
        counts: Counter[str] = Counter()
        for stored in page.items:
            failure = stored.value.failure
            if stored.value.status is OperationStatus.FAILED and failure is not None:
                counts[failure.inner.code if failure.inner else failure.code] += 1
        counts.pop("ImportCanceled", None)
        return [
            AttentionItem(
                cause=Cause.REFUSED_IMPORT,
                message=f"Imports were refused as {code} in the last {_RECENT_DAYS} days.",
                next_step="Read the error of the operation and import again.",
                count=count,
                code=code,
                counts_devices=False,
            )
            for code, count in counts.items()
        ]

    async def _drifted(self, instance: str) -> list[AttentionItem]:
        since = self._days_ago(1)
        count = sum(item.drifted_at > since for item in await self.recounts.list(instance))
        if not count:
            return []
        return [
            AttentionItem(
                cause=Cause.DRIFT,
                message="Counters were found wrong in the last day, and put right.",
                next_step="Find out who writes to the service's tables besides it.",
                count=count,
                counts_devices=False,
            )
        ]

    async def _held_back(self, instance: str) -> list[AttentionItem]:
        count = len(await self.new_classes.held(instance, _MOST_HELD))
        if not count:
            return []
        return [
            AttentionItem(
                cause=Cause.HELD_BACK,
                message="They are of device classes that are new, and wait: more than "
                f"{self.most_new_classes} an hour are not taken in (LIMIT_NEW_CLASSES_PER_HOUR).",
                next_step="Look whether a device reports ever other properties; if all is as "
                "intended, wait, or raise the setting.",
                count=count,
            )
        ]

    def _days_ago(self, days: int) -> str:
        now = datetime.fromisoformat(self.clock.now())
        return (now - timedelta(days=days)).isoformat(timespec="microseconds")


def poison_items(counts: Mapping[str, int]) -> list[AttentionItem]:
    """What failed as often as it is tried, by queue."""
    return [
        AttentionItem(
            cause=Cause.POISON,
            message=f"Work of the queue '{place}' failed as often as it is tried.",
            next_step="`odu poison list` says why: replay it once that is mended, or discard it.",
            count=count,
            subject=place,
            counts_devices=False,
        )
        for place, count in sorted(counts.items())
    ]


def _unhealthy(count: int) -> Sequence[AttentionItem]:
    if count <= 0:
        return []
    return [
        AttentionItem(
            cause=Cause.UNHEALTHY,
            message="They fail a check of their health: model, class, last deployment, connection.",
            next_step="Read their health: it says which check each of them fails.",
            count=count,
            filter=f"state eq '{Condition.UNHEALTHY}'",
        )
    ]


def _failed(failing: Counter[str]) -> list[AttentionItem]:
    found = []
    for code, count in failing.items():
        failure = failure_counted_as(code)
        found.append(
            AttentionItem(
                cause=Cause.FAILED,
                message=failure.message,
                next_step=failure.next_step,
                count=count,
                code=failure.code,
                filter=f"failureCode eq '{failure.code}'",
            )
        )
    return found
