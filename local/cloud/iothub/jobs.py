"""Scheduled jobs: one twin change or direct method for every device that a condition selects.

A job first notes its devices, then works through them at the rate of the hub's size; both survive a
restart. Status names are those of "Schedule jobs on multiple devices".
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError
from local.cloud.iothub.job_records import (
    Job,
    count_statuses,
    decode_job,
    device_job,
    end_job,
    find_job,
    job_view,
    load_job,
    parse_request,
    pending_keys,
    read_condition,
    read_moment,
    set_status,
    waiting_jobs,
)
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.methods import parse_call
from local.cloud.iothub.query_run import select_keys

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.records import Key
    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

_IDLE = 30.0


class JobRunner:
    """Accepts jobs and runs those that are due."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def create(self, job_id: str, body: object) -> Json:
        """Store a job.

        Raises:
            HubError: 400, malformed; 409, the id is taken.
        """
        request = parse_request(job_id, body)
        now = time.time()
        starts = read_moment(request.start_time, now)
        status = "scheduled" if starts > now else "queued"
        job = Job(msgspec.structs.replace(request, job_id=job_id), now, starts, status=status)

        def insert(tx: Transaction) -> None:
            tx.execute(
                "DELETE FROM jobs WHERE created < ?"
                " AND status IN ('completed', 'failed', 'cancelled')",
                tx.time - limits.JOB_HISTORY,
            )
            tx.execute("DELETE FROM device_jobs WHERE job_id NOT IN (SELECT job_id FROM jobs)")
            if find_job(tx.connection, job_id):
                raise HubError(409, "JobAlreadyExists", f"Job {job_id!r} exists already.")
            tx.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?)",
                job_id,
                now,
                job.status,
                msgspec.json.encode(job),
            )

        await self._hub.store.write(insert)
        self._changed.set()
        return job_view(job, {})

    async def get(self, job_id: str) -> Json:
        """Return a job.

        Raises:
            HubError: 404.
        """
        return await self._hub.store.read(
            lambda db: job_view(load_job(db, job_id), count_statuses(db, job_id))
        )

    async def cancel(self, job_id: str) -> Json:
        """Cancel a job that has not ended; devices already served stay as they are.

        Raises:
            HubError: 404.
        """
        await self._hub.store.write(lambda tx: end_job(tx, job_id, "cancelled"))
        return await self.get(job_id)

    async def find(self, job_type: str, status: str) -> list[Json]:
        """Return the jobs of a type and status; empty stands for any."""

        def select(db: sqlite3.Connection) -> list[Json]:
            jobs = [decode_job(row[0]) for row in db.execute("SELECT document FROM jobs")]
            return [
                job_view(job, count_statuses(db, job.request.job_id))
                for job in jobs
                if job_type in ("", job.request.type) and status in ("", job.status)
            ]

        return await self._hub.store.query(select)

    async def run(self) -> None:
        """Run jobs as they fall due, for ever."""
        try:
            while True:
                self._changed.clear()
                delay = await self._start_due_jobs()
                try:
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._running.values():
                task.cancel()

    async def _start_due_jobs(self) -> float:
        """Start what may run now and return the seconds until the next look."""
        waiting = await self._hub.store.read(waiting_jobs)
        free = limits.concurrent_jobs(self._hub.settings.sku) - len(self._running)
        now = time.time()
        for job in waiting:
            name = job.request.job_id
            if name in self._running:
                continue
            if job.starts > now:
                return min(_IDLE, job.starts - now)
            if free > 0:
                free -= 1
                self._running[name] = asyncio.create_task(self._run_job(job))
        return _IDLE

    async def _run_job(self, job: Job) -> None:
        name = job.request.job_id
        try:
            await self._prepare(job)
            async with asyncio.timeout(job.request.max_execution_time_in_seconds):
                await self._work(job)
            await self._hub.store.write(lambda tx: end_job(tx, name, "completed"))
        except TimeoutError:
            await self._hub.store.write(lambda tx: end_job(tx, name, "failed", "The time is over."))
        except HubError as error:
            message = error.message
            await self._hub.store.write(lambda tx: end_job(tx, name, "failed", message))
        finally:
            del self._running[name]
            self._changed.set()

    async def _prepare(self, job: Job) -> None:
        """Note the devices of a job that has not begun yet."""
        if job.status == "running":
            return
        condition, modules = read_condition(job.request.query_condition)
        keys = await self._hub.store.query(lambda db: select_keys(db, condition, modules=modules))

        def begin(tx: Transaction) -> None:
            for key in keys:
                tx.execute(
                    "INSERT OR IGNORE INTO device_jobs VALUES (?, ?, ?, 'pending', ?)",
                    job.request.job_id,
                    *key,
                    msgspec.json.encode(device_job(job, key, "pending", None)),
                )
            set_status(tx, msgspec.structs.replace(job, status="running"))

        await self._hub.store.write(begin)

    async def _work(self, job: Job) -> None:
        name = job.request.job_id
        while keys := await self._hub.store.read(lambda db: pending_keys(db, name)):
            async with asyncio.TaskGroup() as group:
                for key in keys:
                    await self._hub.throttle.delay(Meter.JOB_DEVICES)
                    group.create_task(self._serve(job, key))

    async def _serve(self, job: Job, key: Key) -> None:
        outcome: Json | None = None
        error: HubError | None = None
        try:
            outcome = await self._act(job, key)
        except HubError as failure:
            error = failure
        status = "failed" if error else "completed"
        document = device_job(job, key, status, error, outcome)

        def save(tx: Transaction) -> None:
            tx.execute(
                "UPDATE device_jobs SET status = ?, document = ?"
                " WHERE job_id = ? AND device_id = ? AND module_id = ? AND status = 'pending'",
                status,
                msgspec.json.encode(document),
                job.request.job_id,
                *key,
            )

        await self._hub.store.write(save)

    async def _act(self, job: Job, key: Key) -> Json | None:
        hub, request = self._hub, job.request
        if request.type == "scheduleDeviceMethod":
            call = parse_call(request.cloud_to_device_method)
            return {"deviceMethodResponse": await hub.methods.invoke(key, call)}
        body = request.update_twin or {}
        etag = str(body.get("etag") or "*")
        await hub.throttle.delay(Meter.TWIN_UPDATES)
        await hub.store.write(lambda tx: hub.twins.patch(tx, key, body, etag))
        return None
