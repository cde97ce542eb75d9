"""Timer triggers: one host at a time runs each timer, and a missed run is made up for once.

A blob lease decides which host that is. The status blob holds the last run, so that a host that
starts late knows about it. Runs never overlap: the next due time is looked up after a run.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, ContainerClient

from local.cloud.functions_host.blobs import full_name
from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.index import Function, TimerTrigger
from local.cloud.functions_host.storage import is_transient
from local.cloud.functions_host.tasks import TaskSet
from local.cloud.functions_host.worker import json_datum

_logger = logging.getLogger("host.timers")

SHORTEST_LEASE_SECONDS, LONGEST_LEASE_SECONDS = 15, 60
"""What the blob service allows; the real host takes the longest."""


class _LeaseLost(Exception):
    """Another host may run the timer from now on."""


@dataclass(frozen=True, slots=True)
class TimerContext:
    """What all timers of a host share."""

    host_id: str
    hosts: ContainerClient
    executor: Executor
    work: TaskSet
    lease_seconds: int


def timer_data(past_due: bool, last: datetime | None, due: datetime | None) -> TriggerData:
    """Return what a timer function gets."""
    status = {"Last": _text(last), "Next": _text(due), "LastUpdated": _text(last)}
    return TriggerData(
        json_datum(
            {
                "IsPastDue": past_due,
                "ScheduleStatus": status,
                "Schedule": {"AdjustForDST": True},
            }
        )
    )


class TimerListener:
    """Runs one timer function when it is due."""

    def __init__(
        self,
        function: Function,
        trigger: TimerTrigger,
        context: TimerContext,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._context = context
        self._now = now
        self._schedule = trigger.schedule
        self._monitored = trigger.use_monitor and self._schedule.is_monitored(now())
        self._last: datetime | None = None

    async def listen(self) -> None:
        """Hold the timer's lease whenever it can be had, and run the timer meanwhile."""
        name = f"locks/{self._context.host_id}/{full_name(self._function.name)}.Listener"
        blob = self._context.hosts.get_blob_client(name)
        while True:
            lease = await self._acquire(blob)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._renew(lease))
                    group.create_task(self._tick())
            except* _LeaseLost:
                _logger.warning("timer %s: another host may run it now", self._function.name)
            except* AzureError as errors:
                if not all(
                    isinstance(e, AzureError) and is_transient(e) for e in errors.exceptions
                ):
                    raise
                _logger.warning("timer %s: storage is out of reach", self._function.name)
            finally:
                await _release(lease)

    async def _acquire(self, blob: BlobClient) -> BlobLeaseClient:
        while True:
            try:
                await _create_empty(blob)
                return await blob.acquire_lease(lease_duration=self._context.lease_seconds)
            except AzureError as error:
                held = isinstance(error, HttpResponseError) and error.status_code == 409
                if not held and not is_transient(error):
                    raise
            await asyncio.sleep(self._context.lease_seconds / 10)

    async def _renew(self, lease: BlobLeaseClient) -> None:
        while True:
            await asyncio.sleep(self._context.lease_seconds / 3)
            try:
                await lease.renew()
            except AzureError as error:
                raise _LeaseLost from error

    async def _tick(self) -> None:
        await self._start()
        while True:
            due = self._schedule.next_after(self._now())
            await self._sleep_until(due)
            await self._fire(past_due=False)

    async def _sleep_until(self, due: datetime) -> None:
        # The event loop's clock and the wall clock drift apart over long waits.
        while (wait := (due - self._now()).total_seconds()) > 0:  # noqa: ASYNC110 - time, no event
            await asyncio.sleep(min(wait, 60.0))

    async def _start(self) -> None:
        now = self._now()
        self._last = await self._read_status() if self._monitored else None
        if self._last is not None and self._schedule.next_after(self._last) <= now:
            await self._fire(past_due=True)
        elif self._trigger.run_on_startup:
            await self._fire(past_due=False)
        elif self._monitored and self._last is None:
            # From here on a run is missed if no host is there for it.
            await self._write_status(now)

    async def _fire(self, *, past_due: bool) -> None:
        await self._context.work.finish(self._run(past_due), f"timer {self._function.name}")

    async def _run(self, past_due: bool) -> None:
        now = self._now()
        due = self._schedule.next_after(now)
        data = timer_data(past_due, self._last, due)
        await self._context.executor.run_with_retries(self._function, data)
        self._last = now
        if self._monitored:
            await self._write_status(now)

    @property
    def _status_blob(self) -> BlobClient:
        return self._context.hosts.get_blob_client(
            f"timers/{self._context.host_id}/{full_name(self._function.name)}/status"
        )

    async def _read_status(self) -> datetime | None:
        try:
            text = await (await self._status_blob.download_blob()).readall()
        except ResourceNotFoundError:
            return None
        try:
            return datetime.fromisoformat(json.loads(text)["Last"])
        except (ValueError, KeyError, TypeError):
            _logger.warning("timer %s: its status cannot be read", self._function.name)
            return None

    async def _write_status(self, last: datetime) -> None:
        status = {
            "Last": _text(last),
            "Next": _text(self._schedule.next_after(last)),
            "LastUpdated": _text(self._now()),
        }
        try:
            await self._status_blob.upload_blob(json.dumps(status), overwrite=True)
        except AzureError as error:
            if not is_transient(error):
                raise
            _logger.warning("timer %s: its status was not stored", self._function.name)


async def _create_empty(blob: BlobClient) -> None:
    try:
        await blob.upload_blob(b"", overwrite=False)
    except ResourceExistsError:
        return


async def _release(lease: BlobLeaseClient) -> None:
    try:
        await lease.release()
    except AzureError as error:
        _logger.debug("the lease ends by itself: %s", type(error).__name__)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
