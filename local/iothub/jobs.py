"""Scheduled jobs: one twin change or direct method for every device that a condition selects.

A job first notes its devices, then works through them at the rate of the hub's size; both survive a
restart. Status names are those of "Schedule jobs on multiple devices".
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from local.iothub import limits
from local.iothub.errors import HubError, invalid
from local.iothub.limits import Meter
from local.iothub.methods import parse_call
from local.iothub.query import parse_condition
from local.iothub.query_run import select_keys
from local.iothub.records import Key
from local.iothub.store import timestamp

if TYPE_CHECKING:
    import sqlite3

    from local.iothub.hub import Hub
    from local.iothub.store import Transaction
    from local.iothub.twin import Json

JobType = Literal["scheduleUpdateTwin", "scheduleDeviceMethod"]
_ENDED = ("completed", "failed", "cancelled")
_MODULES = "from devices.modules"
_IDLE = 30.0
_WINDOW = 20


class JobRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Body of a job's creation; the execution time is in seconds."""

    type: JobType
    job_id: str = ""
    query_condition: str = ""
    start_time: str = ""
    max_execution_time_in_seconds: int = 3600
    cloud_to_device_method: dict[str, Any] | None = None
    update_twin: dict[str, Any] | None = None


class Job(msgspec.Struct, frozen=True):
    """A stored job; moments are seconds since 1970."""

    request: JobRequest
    created: float
    starts: float
    ended: float | None = None
    status: str = "queued"
    failure: str | None = None


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
        request = _parse(job_id, body)
        now = time.time()
        starts = _moment(request.start_time, now)
        status = "scheduled" if starts > now else "queued"
        job = Job(msgspec.structs.replace(request, job_id=job_id), now, starts, status=status)

        def insert(tx: Transaction) -> None:
            tx.execute(
                "DELETE FROM jobs WHERE created < ?"
                " AND status IN ('completed', 'failed', 'cancelled')",
                tx.time - limits.JOB_HISTORY,
            )
            tx.execute("DELETE FROM device_jobs WHERE job_id NOT IN (SELECT job_id FROM jobs)")
            if _find(tx.connection, job_id):
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
        return _view(job, {})

    async def get(self, job_id: str) -> Json:
        """Return a job.

        Raises:
            HubError: 404.
        """
        return await self._hub.store.read(lambda db: _view(_load(db, job_id), _counts(db, job_id)))

    async def cancel(self, job_id: str) -> Json:
        """Cancel a job that has not ended; devices already served stay as they are.

        Raises:
            HubError: 404.
        """
        await self._hub.store.write(lambda tx: _end(tx, job_id, "cancelled"))
        return await self.get(job_id)

    async def find(self, job_type: str, status: str) -> list[Json]:
        """Return the jobs of a type and status; empty stands for any."""

        def select(db: sqlite3.Connection) -> list[Json]:
            jobs = [_decode(row[0]) for row in db.execute("SELECT document FROM jobs")]
            return [
                _view(job, _counts(db, job.request.job_id))
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
        waiting = await self._hub.store.read(_waiting)
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
            await self._hub.store.write(lambda tx: _end(tx, name, "completed"))
        except TimeoutError:
            await self._hub.store.write(lambda tx: _end(tx, name, "failed", "The time is over."))
        except HubError as error:
            message = error.message
            await self._hub.store.write(lambda tx: _end(tx, name, "failed", message))
        finally:
            del self._running[name]
            self._changed.set()

    async def _prepare(self, job: Job) -> None:
        """Note the devices of a job that has not begun yet."""
        if job.status == "running":
            return
        condition, modules = _condition(job.request.query_condition)
        keys = await self._hub.store.query(lambda db: select_keys(db, condition, modules=modules))

        def begin(tx: Transaction) -> None:
            for key in keys:
                tx.execute(
                    "INSERT OR IGNORE INTO device_jobs VALUES (?, ?, ?, 'pending', ?)",
                    job.request.job_id,
                    *key,
                    msgspec.json.encode(_device_job(job, key, "pending", None)),
                )
            _set_status(tx, msgspec.structs.replace(job, status="running"))

        await self._hub.store.write(begin)

    async def _work(self, job: Job) -> None:
        name = job.request.job_id
        while keys := await self._hub.store.read(lambda db: _pending(db, name)):
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
        document = _device_job(job, key, status, error, outcome)

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


def _parse(job_id: str, body: object) -> JobRequest:
    try:
        request = msgspec.convert(body, JobRequest)
    except msgspec.ValidationError as error:
        raise invalid(f"The job is malformed: {error}.") from error
    if request.job_id not in ("", job_id) or not 0 < len(job_id) <= 64:
        raise invalid("jobId must be that of the address and have 1 to 64 characters.")
    if request.type == "scheduleDeviceMethod":
        parse_call(request.cloud_to_device_method)
    elif request.update_twin is None:
        raise invalid("A job that updates twins needs updateTwin.")
    if request.max_execution_time_in_seconds <= 0:
        raise invalid("maxExecutionTimeInSeconds must be positive.")
    _condition(request.query_condition)
    return request


def _condition(text: str) -> tuple[Any, bool]:
    """Read a job's condition; `FROM devices.modules [WHERE ...]` selects modules."""
    stripped = text.strip()
    if stripped.lower().startswith(_MODULES):
        rest = stripped[len(_MODULES) :].strip()
        if rest and not rest.lower().startswith("where "):
            raise invalid("The job's condition is malformed: expected WHERE.")
        return parse_condition(rest[len("where ") :], "devices.modules"), True
    return parse_condition(stripped), False


def _moment(text: str, default: float) -> float:
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"startTime {text[:40]!r} is no time in ISO 8601.") from error
    return moment.timestamp()


def _decode(data: bytes) -> Job:
    return msgspec.json.decode(data, type=Job)


def _find(db: sqlite3.Connection, job_id: str) -> Job | None:
    row = db.execute("SELECT document FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    return _decode(row[0]) if row else None


def _load(db: sqlite3.Connection, job_id: str) -> Job:
    job = _find(db, job_id)
    if job is None:
        raise HubError(404, "JobNotFound", f"There is no job {job_id!r}.")
    return job


def _waiting(db: sqlite3.Connection) -> list[Job]:
    rows = db.execute(
        "SELECT document FROM jobs WHERE status IN ('queued', 'scheduled', 'running')"
    )
    return sorted((_decode(row[0]) for row in rows), key=lambda job: job.starts)


def _pending(db: sqlite3.Connection, job_id: str) -> list[Key]:
    rows = db.execute(
        "SELECT device_id, module_id FROM device_jobs WHERE job_id = ? AND status = 'pending'"
        " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = ? AND jobs.status = 'running')"
        " LIMIT ?",
        (job_id, job_id, _WINDOW),
    )
    return [Key(*row) for row in rows]


def _end(tx: Transaction, job_id: str, status: str, failure: str | None = None) -> None:
    job = _load(tx.connection, job_id)
    if job.status in _ENDED:
        return
    _set_status(tx, msgspec.structs.replace(job, status=status, ended=tx.time, failure=failure))


def _set_status(tx: Transaction, job: Job) -> None:
    tx.execute(
        "UPDATE jobs SET status = ?, document = ? WHERE job_id = ?"
        " AND status NOT IN ('completed', 'failed', 'cancelled')",
        job.status,
        msgspec.json.encode(job),
        job.request.job_id,
    )


def _counts(db: sqlite3.Connection, job_id: str) -> dict[str, int]:
    rows = db.execute(
        "SELECT status, count(*) FROM device_jobs WHERE job_id = ? GROUP BY status", (job_id,)
    )
    return dict(rows.fetchall())


def _view(job: Job, counts: dict[str, int]) -> Json:
    view: Json = msgspec.to_builtins(job.request)
    view |= {
        "createdTime": timestamp(job.created),
        "startTime": timestamp(job.starts),
        "status": job.status,
        "deviceJobStatistics": {
            "deviceCount": sum(counts.values()),
            "failedCount": counts.get("failed", 0),
            "succeededCount": counts.get("completed", 0),
            "runningCount": 0,
            "pendingCount": counts.get("pending", 0),
        },
    }
    if job.ended is not None:
        view["endTime"] = timestamp(job.ended)
    if job.failure:
        view["failureReason"] = job.failure
    return view


def _device_job(
    job: Job, key: Key, status: str, error: HubError | None, outcome: Json | None = None
) -> Json:
    now = timestamp()
    document: Json = {
        "deviceId": key.device_id,
        "jobId": job.request.job_id,
        "jobType": job.request.type,
        "status": status,
        "createdDateTimeUtc": timestamp(job.created),
        "startTimeUtc": timestamp(job.starts),
        "lastUpdatedDateTimeUtc": now,
    }
    if key.module_id:
        document["moduleId"] = key.module_id
    if status != "pending":
        document["endTimeUtc"] = now
    if outcome:
        document["outcome"] = outcome
    if error:
        document["error"] = {"code": error.code, "description": error.message}
    return document
