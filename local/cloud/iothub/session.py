"""Device connections: one for each identity, its subscriptions, and what is sent to it.

Subscriptions of a persistent session (clean-session 0) are stored and outlive the connection.
Nothing else is kept for an identity that is away: notifications it misses are lost, as with the
real hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.mqtt_codec import encode
from local.cloud.iothub.mqtt_packets import Publish
from local.cloud.iothub.records import Key

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.events import Outlet
    from local.cloud.iothub.mqtt_packets import Packet
    from local.cloud.iothub.store import Store, Transaction
    from local.cloud.iothub.twin import Json

DESIRED_FILTER = "$iothub/twin/PATCH/properties/desired/#"
METHODS_FILTER = "$iothub/methods/POST/#"
RESPONSES_FILTER = "$iothub/twin/res/#"

type Answer = tuple[int, bytes]
"""Status and payload of a direct method."""


class Link(Protocol):
    """A byte stream to a device, over TLS or over a websocket."""

    @property
    def certificate(self) -> bytes | None:
        """The certificate that the device has shown, in DER; TLS has verified its chain."""

    async def receive(self) -> bytes:
        """Return some bytes, or none at the end."""

    async def send(self, data: bytes) -> None:
        """Send bytes; returns when the device keeps up."""

    def close(self) -> None:
        """Close once everything is sent."""

    def abort(self) -> None:
        """Close at once."""


class Session:
    """One admitted connection."""

    def __init__(self, key: Key, link: Link, *, model_id: str = "") -> None:
        self.key = key
        self.model_id = model_id
        self.subscriptions: dict[str, int] = {}
        self.announced = False
        self.pending: dict[str, asyncio.Future[Answer]] = {}
        """Direct methods that the device has not answered, by request id."""
        self._link = link
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(limits.OUTGOING_PACKETS)
        self._packet_ids = itertools.cycle(range(1, 0x10000))

    def send(self, packet: Packet) -> None:
        """Queue a packet; a device that lets too many wait loses its connection."""
        try:
            self._outgoing.put_nowait(encode(packet))
        except asyncio.QueueFull:
            self.close()

    def publish(self, topic: str, payload: bytes, topic_filter: str) -> None:
        """Queue a message with the quality of service that the filter was granted, at first 0."""
        qos = self.subscriptions.get(topic_filter, 0)
        self.send(Publish(topic, payload, qos, next(self._packet_ids) if qos else 0))

    def close(self) -> None:
        """Drop the connection."""
        self._link.abort()
        for future in self.pending.values():
            future.cancel()
        self.pending.clear()

    async def write(self) -> None:
        """Send what is queued, until the connection ends."""
        with contextlib.suppress(OSError):
            while True:
                data = [await self._outgoing.get()]
                while not self._outgoing.empty():
                    data.append(self._outgoing.get_nowait())
                await self._link.send(b"".join(data))


class Sessions:
    """All connected devices and modules."""

    def __init__(self, store: Store, outlet: Outlet) -> None:
        self._store = store
        self._outlet = outlet
        self._sessions: dict[Key, Session] = {}
        self._arrivals: set[Callable[[Key], None]] = set()

    async def recover(self) -> None:
        """Note that nobody is connected: needed once after a start."""
        await self._store.write(self._all_gone)

    async def enter(self, session: Session, *, clean: bool) -> bool:
        """Make this the identity's only connection; return whether it had stored subscriptions."""
        former = self._sessions.get(session.key)
        self._sessions[session.key] = session
        if former:
            former.close()
        session.subscriptions = await self._store.write(
            lambda tx: _connected(tx, session.key, session.model_id, clean=clean)
        )
        if any("/messages/devicebound/" in name for name in session.subscriptions):
            await self.announce(session)
        self._subscribed(session.key)
        return bool(session.subscriptions)

    async def leave(self, session: Session) -> None:
        """Forget a connection that has ended."""
        session.close()
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
            await self._store.write(lambda tx: self._gone(tx, session.key))

    async def announce(self, session: Session) -> None:
        """Tell of the connection: after its first telemetry or cloud-to-device subscription."""
        if not session.announced:
            session.announced = True
            await self._store.write(lambda tx: self._announced(tx, session.key))

    async def subscribe(self, session: Session, filters: dict[str, int]) -> None:
        """Remember granted subscriptions."""
        session.subscriptions |= filters
        await self._save_subscriptions(session)
        self._subscribed(session.key)

    async def unsubscribe(self, session: Session, filters: tuple[str, ...]) -> None:
        """Forget subscriptions."""
        for name in filters:
            session.subscriptions.pop(name, None)
        await self._save_subscriptions(session)

    def notify(self, key: Key, patch: Json) -> None:
        """Send changed desired properties to an identity that is connected and subscribed."""
        session = self.subscriber(key, DESIRED_FILTER)
        if session:
            topic = f"$iothub/twin/PATCH/properties/desired/?$version={patch['$version']}"
            session.publish(topic, msgspec.json.encode(patch), DESIRED_FILTER)

    def subscriber(self, key: Key, topic_filter: str) -> Session | None:
        """Return the identity's connection if it has subscribed to the filter."""
        session = self._sessions.get(key)
        return session if session and topic_filter in session.subscriptions else None

    async def wait_for_subscriber(
        self,
        key: Key,
        topic_filter: str,
        timeout: float,  # noqa: ASYNC109 - the caller's connectTimeoutInSeconds
    ) -> Session | None:
        """Return the subscribed connection as soon as there is one, or None after `timeout`."""
        arrived = asyncio.Event()

        def arrival(who: Key) -> None:
            if who == key:
                arrived.set()

        self._arrivals.add(arrival)
        try:
            async with asyncio.timeout(timeout):
                while (session := self.subscriber(key, topic_filter)) is None:
                    arrived.clear()
                    await arrived.wait()
                return session
        except TimeoutError:
            return None
        finally:
            self._arrivals.discard(arrival)

    def disconnect(self, key: Key) -> None:
        """Drop the identity's connection, if it has one."""
        if session := self._sessions.get(key):
            session.close()

    def disconnect_all(self) -> int:
        """Drop all connections; return how many there were."""
        for session in tuple(self._sessions.values()):
            session.close()
        return len(self._sessions)

    @property
    def connected(self) -> int:
        """How many identities are connected."""
        return len(self._sessions)

    def _subscribed(self, key: Key) -> None:
        for arrival in tuple(self._arrivals):
            arrival(key)

    async def _save_subscriptions(self, session: Session) -> None:
        data = msgspec.json.encode(session.subscriptions)
        await self._store.write(
            lambda tx: tx.execute(
                "UPDATE identities SET subscriptions = ? WHERE device_id = ? AND module_id = ?",
                data,
                *session.key,
            )
        )

    def _announced(self, tx: Transaction, key: Key) -> None:
        changed = tx.execute(
            "UPDATE identities SET announced = 1"
            " WHERE device_id = ? AND module_id = ? AND connected = 1 AND announced = 0",
            *key,
        )
        if changed.rowcount:
            self._outlet.connection_changed(tx, key, connected=True)

    def _gone(self, tx: Transaction, key: Key) -> None:
        announced = _was_announced(tx.connection, key)
        tx.execute(
            "UPDATE identities SET connected = 0, announced = 0, connection_updated = ?,"
            " last_activity = ? WHERE device_id = ? AND module_id = ?",
            tx.now,
            tx.now,
            *key,
        )
        if announced:
            self._outlet.connection_changed(tx, key, connected=False)

    def _all_gone(self, tx: Transaction) -> None:
        rows = tx.execute("SELECT device_id, module_id FROM identities WHERE connected = 1")
        for row in rows.fetchall():
            self._gone(tx, Key(*row))


def _was_announced(connection: sqlite3.Connection, key: Key) -> bool:
    row = connection.execute(
        "SELECT announced FROM identities WHERE device_id = ? AND module_id = ?", key
    ).fetchone()
    return bool(row and row[0])


def _connected(tx: Transaction, key: Key, model_id: str, *, clean: bool) -> dict[str, int]:
    row = tx.execute(
        "UPDATE identities SET connected = 1, connection_updated = ?, last_activity = ?,"
        " model_id = CASE ? WHEN '' THEN model_id ELSE ? END,"
        " subscriptions = CASE ? WHEN 1 THEN '{}' ELSE subscriptions END"
        " WHERE device_id = ? AND module_id = ? RETURNING subscriptions",
        tx.now,
        tx.now,
        model_id,
        model_id,
        int(clean),
        *key,
    ).fetchone()
    return msgspec.json.decode(row[0], type=dict[str, int]) if row else {}
