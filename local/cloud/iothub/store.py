"""The hub's durable state: one SQLite database in write-ahead mode.

A single thread does all writing. It takes every operation that waits, runs each in its own
savepoint, commits them together and only then answers, so that what was answered survives a killed
process and a thousand small writes a second need few commits. Reading has threads of its own.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GROUP = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS identities (
  device_id TEXT NOT NULL,
  module_id TEXT NOT NULL DEFAULT '',
  identity BLOB NOT NULL,
  twin BLOB NOT NULL,
  model_id TEXT NOT NULL DEFAULT '',
  connected INTEGER NOT NULL DEFAULT 0,
  announced INTEGER NOT NULL DEFAULT 0,
  connection_updated TEXT NOT NULL DEFAULT '0001-01-01T00:00:00Z',
  last_activity TEXT NOT NULL DEFAULT '0001-01-01T00:00:00Z',
  subscriptions BLOB NOT NULL DEFAULT '{}',
  PRIMARY KEY (device_id, module_id)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  partition INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  enqueued REAL NOT NULL,
  message BLOB NOT NULL,
  PRIMARY KEY (partition, sequence)
);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, enqueued REAL NOT NULL, event BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS jobs (
  job_id TEXT PRIMARY KEY, created REAL NOT NULL, status TEXT NOT NULL, document BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS device_jobs (
  job_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  module_id TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL,
  document BLOB NOT NULL,
  PRIMARY KEY (job_id, device_id, module_id)
);
CREATE TABLE IF NOT EXISTS configurations (id TEXT PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS removed_configurations (id TEXT PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS applied_configurations (
  device_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  configuration_id TEXT NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (device_id, module_id, configuration_id)
) WITHOUT ROWID;
"""


def timestamp(moment: float | None = None) -> str:
    """Return a moment (seconds since 1970, default now) in ISO 8601 with milliseconds, in UTC."""
    when = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@dataclass(slots=True)
class Transaction:
    """What a writing operation works with."""

    connection: sqlite3.Connection
    time: float
    """Now, in seconds since 1970."""
    now: str
    """Now, in ISO 8601."""
    _after: list[Callable[[], None]] = field(default_factory=list)

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one SQL statement."""
        return self.connection.execute(statement, values)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run an action on the event loop once the operation is durable, in order of commits."""
        self._after.append(action)

    def count(self, name: str) -> int:
        """Advance a durable counter and return its new value, at first 1."""
        row = self.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            " RETURNING value",
            name,
        ).fetchone()
        return int(row[0])

    def finish(self) -> list[Callable[[], None]]:
        """Return the actions to run after the commit."""
        return self._after


@dataclass(slots=True)
class _Job:
    operation: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    after: list[Callable[[], None]] = field(default_factory=list)


class Store:
    """Runs operations on the database, off the event loop.

    Args:
        folder: where the database lies; created when missing.
        query_lag: seconds by which `query` may see an older state.
    """

    def __init__(self, folder: Path, query_lag: float = 0.0) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "iothub.sqlite"
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        writer = self._connect()
        writer.executescript(_SCHEMA)
        self._path.chmod(0o600)
        self._thread = threading.Thread(
            target=self._write_groups, args=(writer,), name="writer", daemon=True
        )
        self._thread.start()
        self._reader = _Reader(self._connect(), 0.0)
        self._queries = _Reader(self._connect(), query_lag)

    async def write[T](self, operation: Callable[[Transaction], T]) -> T:
        """Run a writing operation; returns when it is durable.

        An exception of the operation undoes it alone and is raised here.
        """
        job = _Job(operation, self._loop.create_future())
        self._jobs.put(job)
        return cast("T", await job.future)

    async def read[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run a short reading operation; it sees everything answered before."""
        return await self._reader.run(operation)

    async def query[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run a reading operation that may take long or see an older state."""
        return await self._queries.run(operation)

    async def close(self) -> None:
        """Finish what is waiting and close the database."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await self._reader.close()
        await self._queries.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    def _write_groups(self, connection: sqlite3.Connection) -> None:
        open_ = True
        while open_:
            first = self._jobs.get()
            group = [first] if first else []
            open_ = first is not None
            while open_ and len(group) < _GROUP:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                open_ = job is not None
                if job:
                    group.append(job)
            if group:
                self._run_group(connection, group)
                self._loop.call_soon_threadsafe(_deliver, group)
        connection.close()

    def _run_group(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                _run(connection, job)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in group:
                job.error, job.after = error, []


class _Reader:
    """A connection with a thread; keeps one snapshot for up to `lag` seconds."""

    def __init__(self, connection: sqlite3.Connection, lag: float) -> None:
        self._connection = connection
        self._lag = lag
        self._since = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")

    async def run[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, operation)

    def _run[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        if self._lag:
            self._renew_snapshot()
        return operation(self._connection)

    def _renew_snapshot(self) -> None:
        if self._connection.in_transaction:
            if time.monotonic() - self._since < self._lag:
                return
            self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT 1 FROM counters").fetchone()
        self._since = time.monotonic()

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()


def _run(connection: sqlite3.Connection, job: _Job) -> None:
    now = time.time()
    transaction = Transaction(connection, now, timestamp(now))
    connection.execute("SAVEPOINT operation")
    try:
        job.result = job.operation(transaction)
    except sqlite3.DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - handed to whoever asked for the operation
        connection.execute("ROLLBACK TO operation")
        job.error = error
    else:
        job.after = transaction.finish()
    connection.execute("RELEASE operation")


def _deliver(group: list[_Job]) -> None:
    for job in group:
        for action in job.after:
            action()
        if job.future.cancelled():
            continue
        if job.error:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
