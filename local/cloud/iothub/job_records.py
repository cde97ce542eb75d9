"""Scheduled jobs as they are stored and shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from local.cloud.iothub.errors import HubError, invalid
from local.cloud.iothub.methods import parse_call
from local.cloud.iothub.query import parse_condition
from local.cloud.iothub.records import Key
from local.cloud.iothub.store import timestamp

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

JobType = Literal["scheduleUpdateTwin", "scheduleDeviceMethod"]
_ENDED = ("completed", "failed", "cancelled")
_MODULES = "from devices.modules"
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


def parse_request(job_id: str, body: object) -> JobRequest:
    """Read the body of a job's creation.

    Raises:
        HubError: 400.
    """
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
    read_condition(request.query_condition)
    return request


def read_condition(text: str) -> tuple[Any, bool]:
    """Read a job's condition; `FROM devices.modules [WHERE ...]` selects modules."""
    stripped = text.strip()
    if stripped.lower().startswith(_MODULES):
        rest = stripped[len(_MODULES) :].strip()
        if rest and not rest.lower().startswith("where "):
            raise invalid("The job's condition is malformed: expected WHERE.")
        return parse_condition(rest[len("where ") :], "devices.modules"), True
    return parse_condition(stripped), False


def read_moment(text: str, default: float) -> float:
    """Return a time in ISO 8601 as seconds since 1970.

    Raises:
        HubError: 400.
    """
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"startTime {text[:40]!r} is no time in ISO 8601.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def decode_job(data: bytes) -> Job:
    """Return a stored job."""
    return msgspec.json.decode(data, type=Job)


def find_job(db: sqlite3.Connection, job_id: str) -> Job | None:
    """Return a job, or None."""
    row = db.execute("SELECT document FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    return decode_job(row[0]) if row else None


def load_job(db: sqlite3.Connection, job_id: str) -> Job:
    """Return a job.

    Raises:
        HubError: 404.
    """
    job = find_job(db, job_id)
    if job is None:
        raise HubError(404, "JobNotFound", f"There is no job {job_id!r}.")
    return job


def waiting_jobs(db: sqlite3.Connection) -> list[Job]:
    """Return the jobs that have not ended, those due first in front."""
    rows = db.execute(
        "SELECT document FROM jobs WHERE status IN ('queued', 'scheduled', 'running')"
    )
    return sorted((decode_job(row[0]) for row in rows), key=lambda job: job.starts)


def pending_keys(db: sqlite3.Connection, job_id: str) -> list[Key]:
    """Return some devices that a running job has not served."""
    rows = db.execute(
        "SELECT device_id, module_id FROM device_jobs WHERE job_id = ? AND status = 'pending'"
        " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = ? AND jobs.status = 'running')"
        " LIMIT ?",
        (job_id, job_id, _WINDOW),
    )
    return [Key(*row) for row in rows]


def end_job(tx: Transaction, job_id: str, status: str, failure: str | None = None) -> None:
    """End a job, unless it has ended."""
    job = load_job(tx.connection, job_id)
    if job.status in _ENDED:
        return
    set_status(tx, msgspec.structs.replace(job, status=status, ended=tx.time, failure=failure))


def set_status(tx: Transaction, job: Job) -> None:
    """Save a job with its new status, unless it has ended."""
    tx.execute(
        "UPDATE jobs SET status = ?, document = ? WHERE job_id = ?"
        " AND status NOT IN ('completed', 'failed', 'cancelled')",
        job.status,
        msgspec.json.encode(job),
        job.request.job_id,
    )


def count_statuses(db: sqlite3.Connection, job_id: str) -> dict[str, int]:
    """Return how many devices of a job have each status."""
    rows = db.execute(
        "SELECT status, count(*) FROM device_jobs WHERE job_id = ? GROUP BY status", (job_id,)
    )
    return dict(rows.fetchall())


def job_view(job: Job, counts: dict[str, int]) -> Json:
    """Return the document of a job."""
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


def device_job(
    job: Job, key: Key, status: str, error: HubError | None, outcome: Json | None = None
) -> Json:
    """Return the document of one device in a job."""
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
