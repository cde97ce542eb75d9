"""Sends the events of the durable outbox to Event Grid, at least once and in order of writing."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import ClientError

from local.cloud.iothub import limits

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.events import Outlet
    from local.cloud.iothub.store import Store, Transaction

_log = logging.getLogger(__name__)
_BATCH = 100
_LIFETIME = 24 * 3600
_DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_IDLE = 30.0


class Sender:
    """Posts events as JSON arrays; an event stays in the outbox until the topic accepts it."""

    def __init__(self, store: Store, outlet: Outlet, endpoint: str, key: str) -> None:
        self._store = store
        self._outlet = outlet
        self._endpoint = endpoint
        self._headers = {"aeg-sas-key": key, "Content-Type": "application/json; charset=utf-8"}

    async def run(self) -> None:
        """Send for ever."""
        timeout = aiohttp.ClientTimeout(total=30)
        failures = 0
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                batch = await self._store.read(_oldest)
                if not batch:
                    await self._outlet.wait_for_outbox(_IDLE)
                elif await self._send(session, [event for _, event in batch]):
                    failures = 0
                    await self._store.write(partial(_forget, last=batch[-1][0]))
                else:
                    delay = _DELAYS[min(failures, len(_DELAYS) - 1)]
                    failures += 1
                    await asyncio.sleep(delay)
                    await self._store.write(_drop_expired)

    async def _send(self, session: aiohttp.ClientSession, events: list[bytes]) -> bool:
        body = b"[" + b",".join(events) + b"]"
        try:
            async with session.post(self._endpoint, data=body, headers=self._headers) as response:
                if response.ok:
                    return True
                _log.warning("Event Grid answered %d to %d events", response.status, len(events))
        except (ClientError, TimeoutError) as error:
            _log.warning("Event Grid is not reachable: %s", type(error).__name__)
        return False


def _oldest(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    return connection.execute(
        "SELECT id, event FROM outbox ORDER BY id LIMIT ?", (_BATCH,)
    ).fetchall()


def _forget(tx: Transaction, last: int) -> None:
    tx.execute("DELETE FROM outbox WHERE id <= ?", last)


def _drop_expired(tx: Transaction) -> None:
    """Event Grid gives up after a day; the outbox is bounded by number as well."""
    tx.execute(
        "DELETE FROM outbox WHERE enqueued < ?"
        " OR id <= (SELECT coalesce(max(id), 0) - ? FROM outbox)",
        tx.time - _LIFETIME,
        limits.OUTBOX_COUNT,
    )
