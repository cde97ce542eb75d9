"""Everything that outlives the process, in one SQLite file; here subscriptions and deliveries.

A committed change survives the death of the process at any moment (write-ahead log); a power cut
may take the last moments with it. One process at a time may open the file.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from local.cloud.eventgrid.subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from pathlib import Path

KEPT_EVENTS = 10_000
"""Published events of a topic that are kept at most."""
BUSY_SECONDS = 0.2
"""Wait for another process to let go of the file; a dead one holds nothing."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS subscriptions (
    name TEXT PRIMARY KEY, definition BLOB NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    dead_lettered INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, event_type TEXT NOT NULL,
    data_version TEXT NOT NULL, body TEXT NOT NULL, accepted_at REAL NOT NULL,
    expires_at REAL NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    attempted_at REAL, outcome TEXT, status INTEGER
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (subscription, due_at);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, event_type TEXT NOT NULL,
    data_version TEXT NOT NULL, body TEXT NOT NULL, accepted_at REAL NOT NULL,
    attempts INTEGER NOT NULL, attempted_at REAL, outcome TEXT, status INTEGER,
    reason TEXT NOT NULL, container TEXT NOT NULL, blob TEXT NOT NULL,
    decided_at REAL NOT NULL, due_at REAL, written INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS dead_letters_due ON dead_letters (due_at) WHERE written = 0;
CREATE TABLE IF NOT EXISTS kept_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS seen_blobs (
    container TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, mark INTEGER NOT NULL,
    PRIMARY KEY (container, name)
) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The state file cannot be opened."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of the events of one subscription; `failed` counts attempts, the rest events."""

    delivered: int
    failed: int
    pending: int
    dead_lettered: int
    dropped: int


class NewDelivery(NamedTuple):
    """An event, rendered for one subscription; times are seconds since 1970."""

    subscription: str
    event_type: str
    data_version: str
    body: str
    accepted_at: float
    expires_at: float
    due_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a subscription is still to get, with its history."""

    id: int
    event_type: str
    data_version: str
    body: str
    accepted_at: float
    expires_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one delivery attempt ended."""

    at: float
    outcome: str
    status: int | None


class Store:
    """The state file. All calls are short and synchronous."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self.connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes of the block one change; a transaction within another joins it."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def subscriptions(self) -> dict[str, Subscription]:
        """Return all subscriptions by name."""
        rows = self.connection.execute("SELECT name, definition FROM subscriptions ORDER BY name")
        return {name: _subscription(definition) for name, definition in rows}

    def subscription(self, name: str) -> Subscription | None:
        """Return one subscription, or None if there is none of that name."""
        row = self.connection.execute(
            "SELECT definition FROM subscriptions WHERE name = ?", (name,)
        ).fetchone()
        return _subscription(row[0]) if row else None

    def put_subscription(self, name: str, subscription: Subscription) -> bool:
        """Create or change a subscription and tell whether it is new."""
        definition = msgspec.json.encode(subscription)
        with self.transaction():
            is_new = self.subscription(name) is None
            self.connection.execute(
                "INSERT INTO subscriptions (name, definition) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
                (name, definition),
            )
        return is_new

    def delete_subscription(self, name: str) -> bool:
        """Forget a subscription with its pending deliveries; tell whether there was one."""
        with self.transaction():
            self.connection.execute("DELETE FROM deliveries WHERE subscription = ?", (name,))
            deleted = self.connection.execute("DELETE FROM subscriptions WHERE name = ?", (name,))
        return deleted.rowcount == 1

    def counters(self, name: str) -> Counters:
        """Return the counters of an existing subscription."""
        row = self.connection.execute(
            "SELECT delivered, failed,"
            " (SELECT count(*) FROM deliveries WHERE subscription = name), dead_lettered, dropped"
            " FROM subscriptions WHERE name = ?",
            (name,),
        ).fetchone()
        return Counters(*row)

    def add_deliveries(self, deliveries: Iterable[NewDelivery]) -> None:
        """Queue events for their subscriptions."""
        with self.transaction():
            self.connection.executemany(
                "INSERT INTO deliveries (subscription, event_type, data_version, body, accepted_at,"
                " expires_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                deliveries,
            )

    def keep_events(self, bodies: Iterable[str]) -> None:
        """Keep published events to be looked at, the newest ones only."""
        with self.transaction():
            self.connection.executemany(
                "INSERT INTO kept_events (body) VALUES (?)", ((body,) for body in bodies)
            )
            self.connection.execute(
                "DELETE FROM kept_events WHERE id <= (SELECT max(id) FROM kept_events) - ?",
                (KEPT_EVENTS,),
            )

    def kept_events(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return kept events that came after one, the oldest first, with their numbers."""
        rows = self.connection.execute(
            "SELECT id, body FROM kept_events WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [(number, body) for number, body in rows]

    def next_batch(
        self,
        subscription: str,
        now: float,
        *,
        without: Container[int],
        max_events: int,
        max_bytes: int,
    ) -> list[Delivery]:
        """Return deliveries whose time has come, the longest due first, to be sent together.

        Args:
            subscription: its name.
            now: seconds since 1970.
            without: ids to leave out.
            max_events: largest number of deliveries.
            max_bytes: largest total size of their bodies, unless the first alone is larger.
        """
        batch: list[Delivery] = []
        size = 0
        for delivery in self._deliveries("due_at <= ? ORDER BY due_at", subscription, now):
            if delivery.id in without:
                continue
            size += len(delivery.body)
            if len(batch) == max_events or (batch and size > max_bytes):
                break
            batch.append(delivery)
        return batch

    def expired_deliveries(
        self, subscription: str, now: float, *, without: Container[int], limit: int
    ) -> list[Delivery]:
        """Return some due deliveries whose time to live is over, except those left out."""
        expired = self._deliveries("due_at <= ? AND expires_at <= ?", subscription, now, now)
        found = (delivery for delivery in expired if delivery.id not in without)
        return list(itertools.islice(found, limit))

    def _deliveries(self, condition: str, subscription: str, *times: float) -> Iterator[Delivery]:
        rows = self.connection.execute(
            "SELECT id, event_type, data_version, body, accepted_at, expires_at, attempts"  # noqa: S608 - own conditions
            f" FROM deliveries WHERE subscription = ? AND {condition}",
            (subscription, *times),
        )
        return (Delivery(*row) for row in rows)

    def next_due_at(self, subscription: str, after: float) -> float | None:
        """Return when the next delivery becomes due, if any will."""
        row = self.connection.execute(
            "SELECT min(due_at) FROM deliveries WHERE subscription = ? AND due_at > ?",
            (subscription, after),
        ).fetchone()
        due_at: float | None = row[0]
        return due_at

    def mark_delivered(self, subscription: str, deliveries: Sequence[Delivery]) -> None:
        """Remove deliveries that the subscriber has taken."""
        with self.transaction():
            self._remove(deliveries)
            self._count(subscription, "delivered", len(deliveries))

    def mark_failed(self, subscription: str, delivery: Delivery, attempt: Attempt) -> None:
        """Record a failed attempt; `retry` or `remove` says what comes next."""
        with self.transaction():
            self.connection.execute(
                "UPDATE deliveries SET attempts = ?, attempted_at = ?, outcome = ?, status = ?"
                " WHERE id = ?",
                (delivery.attempts + 1, attempt.at, attempt.outcome, attempt.status, delivery.id),
            )
            self._count(subscription, "failed", 1)

    def retry(self, delivery: Delivery, due_at: float) -> None:
        """Plan the next attempt."""
        self.connection.execute(
            "UPDATE deliveries SET due_at = ? WHERE id = ?", (due_at, delivery.id)
        )

    def remove(self, subscription: str, delivery: Delivery, *, count_as: str) -> None:
        """Remove a delivery that was given up and count it as `dead_lettered` or `dropped`."""
        with self.transaction():
            self._remove([delivery])
            self._count(subscription, count_as, 1)

    def _remove(self, deliveries: Sequence[Delivery]) -> None:
        ids = [(delivery.id,) for delivery in deliveries]
        self.connection.executemany("DELETE FROM deliveries WHERE id = ?", ids)

    def _count(self, subscription: str, counter: str, number: int) -> None:
        self.connection.execute(
            f"UPDATE subscriptions SET {counter} = {counter} + ? WHERE name = ?",  # noqa: S608 - own column names
            (number, subscription),
        )


def _subscription(definition: bytes) -> Subscription:
    return msgspec.json.decode(definition, type=Subscription)
