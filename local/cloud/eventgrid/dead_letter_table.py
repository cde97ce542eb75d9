"""The dead letters in the state file, until they are delivered anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.cloud.eventgrid.store import Delivery, Store

_COLUMNS = (
    "id, written, subscription, event_type, body, accepted_at, attempts, attempted_at, outcome,"
    " status, reason, container, blob, decided_at"
)
_KEPT = "subscription, event_type, data_version, body, accepted_at"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up, the reason, and the blob that it goes to.

    Times are seconds since 1970; `attempted_at`, `outcome` and `status` are of the last attempt.
    """

    id: int
    written: bool
    subscription: str
    event_type: str
    body: str
    accepted_at: float
    attempts: int
    attempted_at: float | None
    outcome: str | None
    status: int | None
    reason: str
    container: str
    blob: str
    decided_at: float


class DeadLetterTable:
    """Dead letters, written to their blobs or not yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection = store.connection

    def add(
        self,
        delivery: Delivery,
        *,
        reason: str,
        container: str,
        blob: str,
        decided_at: float,
        due_at: float,
    ) -> None:
        """Copy a delivery that is still in the store; its blob is to be written at `due_at`."""
        self._connection.execute(
            f"INSERT INTO dead_letters ({_KEPT}, attempts, attempted_at, outcome, status,"  # noqa: S608 - own column names
            " reason, container, blob, decided_at, due_at)"
            f" SELECT {_KEPT}, attempts, attempted_at, outcome, status, ?, ?, ?, ?, ?"
            " FROM deliveries WHERE id = ?",
            (reason, container, blob, decided_at, due_at, delivery.id),
        )

    def due(self, now: float, limit: int) -> list[DeadLetter]:
        """Return dead letters whose blobs are to be written now."""
        return self._select("written = 0 AND due_at <= ? ORDER BY due_at LIMIT ?", (now, limit))

    def next_due_at(self) -> float | None:
        """Return when the next blob is to be written, if any is."""
        row = self._connection.execute(
            "SELECT min(due_at) FROM dead_letters WHERE written = 0"
        ).fetchone()
        due_at: float | None = row[0]
        return due_at

    def page(self, subscription: str | None, after: int, limit: int) -> list[DeadLetter]:
        """Return dead letters with ids above `after`, of one subscription or of all."""
        return self._select(
            "id > ? AND subscription = coalesce(?, subscription) ORDER BY id LIMIT ?",
            (after, subscription, limit),
        )

    def mark_written(self, letter: DeadLetter) -> None:
        """Record that the blob exists."""
        self._connection.execute("UPDATE dead_letters SET written = 1 WHERE id = ?", (letter.id,))

    def postpone(self, letter: DeadLetter, due_at: float) -> None:
        """Plan the next attempt to write the blob."""
        self._connection.execute(
            "UPDATE dead_letters SET due_at = ? WHERE id = ?", (due_at, letter.id)
        )

    def drop(self, letter: DeadLetter) -> None:
        """Give the event up for good."""
        self._connection.execute("DELETE FROM dead_letters WHERE id = ?", (letter.id,))

    def replay(self, subscription: str, *, now: float, expires_at: float) -> int:
        """Queue the dead letters of a subscription as if they were new; return their number."""
        with self._store.transaction():
            queued = self._connection.execute(
                f"INSERT INTO deliveries ({_KEPT}, expires_at, due_at)"  # noqa: S608 - own column names
                f" SELECT {_KEPT}, ?, ? FROM dead_letters WHERE subscription = ?",
                (expires_at, now, subscription),
            )
            self._connection.execute(
                "DELETE FROM dead_letters WHERE subscription = ?", (subscription,)
            )
        return queued.rowcount

    def _select(self, condition: str, values: Iterable[Any]) -> list[DeadLetter]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM dead_letters WHERE {condition}",  # noqa: S608 - own conditions
            tuple(values),
        )
        return [DeadLetter(row[0], bool(row[1]), *row[2:]) for row in rows]
