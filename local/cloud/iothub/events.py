"""What the hub tells the outside: routed messages and Event Grid events.

Messages go to a durable log of partitions, as an Event Hubs endpoint of the hub's message routing
would hold them; the partition follows from the device id. Formats: "Use IoT Hub message routing:
non-telemetry events" and "Azure IoT Hub as Event Grid source". Both are written in the transaction
of the change they speak of.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import invalid
from local.cloud.iothub.records import NEVER
from local.cloud.iothub.store import timestamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from local.cloud.iothub.records import Key, Record
    from local.cloud.iothub.store import Store, Transaction
    from local.cloud.iothub.twin import Json

_TRIM_EVERY = 4096


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """One message in the log; its body goes over the wire in base64."""

    partition_key: str
    system_properties: dict[str, str]
    properties: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Outlet:
    """Writes messages and events about devices.

    Args:
        hub_name: name the messages carry.
        partitions: partitions of the log.
        event_grid: whether Event Grid events are kept for sending.
        connection_state: whether DeviceConnectionStateEvents are routed.
    """

    hub_name: str
    partitions: int
    event_grid: bool = False
    connection_state: bool = False
    duplicates: int = 0
    """How many of the next messages are delivered twice."""
    ending: bool = False
    _arrived: dict[int, asyncio.Event] = field(default_factory=dict)
    _outbox_filled: asyncio.Event = field(default_factory=asyncio.Event)

    def twin_changed(self, tx: Transaction, key: Key, operation: str, body: Json) -> None:
        """Route a twin change: `updateTwin` with the changed parts or `replaceTwin` with it all."""
        self._route(tx, key, "twinChangeEvents", "twinChangeNotification", operation, body)

    def identity_created(self, tx: Transaction, record: Record) -> None:
        """Tell of a new device or module."""
        self._lifecycle(tx, record, "create", "DeviceCreated")

    def identity_deleted(self, tx: Transaction, record: Record) -> None:
        """Tell of a deleted device or module."""
        self._lifecycle(tx, record, "delete", "DeviceDeleted")

    def connection_changed(self, tx: Transaction, key: Key, *, connected: bool) -> None:
        """Tell that a device came or went."""
        number = f"{tx.count('connection-events'):064X}"
        if self.connection_state:
            self._route(
                tx,
                key,
                "deviceConnectionStateEvents",
                "deviceConnectionStateNotification",
                "deviceConnected" if connected else "deviceDisconnected",
                {"sequenceNumber": number},
            )
        data: Json = {"deviceConnectionStateEventInfo": {"sequenceNumber": number}}
        self._grid(tx, key, "DeviceConnected" if connected else "DeviceDisconnected", data)

    def receive(self, tx: Transaction, messages: Sequence[Message]) -> None:
        """Append what another hub has routed here."""
        for message in messages:
            partition = self.partition_of(message.partition_key)
            self._append(tx, partition, msgspec.msgpack.encode(message))

    def end_waiting(self) -> None:
        """Let all who wait for messages go on, now and in future."""
        self.ending = True
        for partition in tuple(self._arrived):
            self._wake(partition)

    def arrival(self, partition: int) -> asyncio.Event:
        """Return an event that is set when something is appended to the partition from now on."""
        return self._arrived.setdefault(partition, asyncio.Event())

    async def wait_for_outbox(self, timeout: float) -> None:  # noqa: ASYNC109 - an end of idling
        """Return when an Event Grid event is written, at the latest after `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                await self._outbox_filled.wait()
        except TimeoutError:
            return
        self._outbox_filled.clear()

    def partition_of(self, device_id: str) -> int:
        """Return the partition that holds all messages about a device."""
        digest = hashlib.blake2b(device_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.partitions

    def _lifecycle(self, tx: Transaction, record: Record, operation: str, event: str) -> None:
        key = record.key
        body = _lifecycle_twin(record)
        kind = "Module" if key.module_id else "Device"
        schema = f"{kind.lower()}LifecycleNotification"
        name = f"{operation}{kind}Identity"
        self._route(tx, key, "deviceLifecycleEvents", schema, name, body)
        if not key.module_id:
            self._grid(tx, key, event, {"twin": _event_grid_twin(record)})

    def _route(
        self, tx: Transaction, key: Key, source: str, schema: str, operation: str, body: Json
    ) -> None:
        system = {
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "correlation-id": str(uuid.uuid4()),
            "user-id": self.hub_name,
            "iothub-connection-device-id": key.device_id,
            "iothub-enqueuedtime": tx.now,
            "iothub-message-source": source,
        }
        properties = {"deviceId": key.device_id}
        if key.module_id:
            system["iothub-connection-module-id"] = properties["moduleId"] = key.module_id
        properties |= {
            "hubName": self.hub_name,
            "operationTimestamp": tx.now,
            "iothub-message-schema": schema,
            "opType": operation,
        }
        message = Message(key.device_id, system, properties, msgspec.json.encode(body))
        self._append(tx, self.partition_of(key.device_id), msgspec.msgpack.encode(message))

    def _append(self, tx: Transaction, partition: int, message: bytes) -> None:
        copies = 1
        if self.duplicates > 0:
            self.duplicates -= 1
            copies = 2
        for _ in range(copies):
            # Trimming leaves the newest message, so numbers never repeat.
            row = tx.execute(
                "INSERT INTO events SELECT ?, coalesce(max(sequence), 0) + 1, ?, ? FROM events"
                " WHERE partition = ? RETURNING sequence",
                partition,
                tx.time,
                message,
                partition,
            ).fetchone()
            sequence = int(row[0])
            if sequence % _TRIM_EVERY == 0:
                _trim(tx, partition, sequence)
        tx.after_commit(lambda: self._wake(partition))

    def _wake(self, partition: int) -> None:
        if event := self._arrived.pop(partition, None):
            event.set()

    def _grid(self, tx: Transaction, key: Key, kind: str, data: Json) -> None:
        if not self.event_grid:
            return
        data |= {"hubName": self.hub_name, "deviceId": key.device_id}
        if key.module_id:
            data["moduleId"] = key.module_id
        event = {
            "id": str(uuid.uuid4()),
            "topic": f"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
            f"/providers/Microsoft.Devices/IotHubs/{self.hub_name}",
            "subject": f"devices/{key.device_id}",
            "eventType": f"Microsoft.Devices.{kind}",
            "eventTime": tx.now,
            "dataVersion": "1",
            "metadataVersion": "1",
            "data": data,
        }
        tx.execute(
            "INSERT INTO outbox (enqueued, event) VALUES (?, ?)",
            tx.time,
            msgspec.json.encode(event),
        )
        tx.after_commit(self._outbox_filled.set)


def _trim(tx: Transaction, partition: int, newest: int) -> None:
    tx.execute(
        "DELETE FROM events WHERE partition = ? AND (sequence <= ? OR enqueued < ?)",
        partition,
        newest - limits.EVENT_RETENTION_COUNT,
        tx.time - limits.EVENT_RETENTION_TIME,
    )


async def read_events(
    store: Store, outlet: Outlet, partition: int, after: int, count: int, wait: float
) -> list[Json]:
    """Return messages of a partition that follow sequence number `after`.

    Waits up to `wait` seconds for the first one.

    Raises:
        HubError: 400, no such partition.
    """
    if not 0 <= partition < outlet.partitions:
        raise invalid(f"There is no partition {partition}.")
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        arrived = outlet.arrival(partition)
        events = await store.read(partial(_page, partition=partition, after=after, count=count))
        if events or outlet.ending or asyncio.get_running_loop().time() >= deadline:
            return events
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await arrived.wait()


def _page(connection: sqlite3.Connection, partition: int, after: int, count: int) -> list[Json]:
    rows = connection.execute(
        "SELECT sequence, enqueued, message FROM events WHERE partition = ? AND sequence > ?"
        " ORDER BY sequence LIMIT ?",
        (partition, after, count),
    )
    return [
        {
            "sequenceNumber": sequence,
            "offset": str(sequence),
            "enqueuedTimeUtc": timestamp(enqueued),
            **msgspec.to_builtins(msgspec.msgpack.decode(message, type=Message)),
        }
        for sequence, enqueued, message in rows
    ]


def _lifecycle_twin(record: Record) -> Json:
    ids: Json = {"deviceId": record.key.device_id}
    if record.key.module_id:
        ids["moduleId"] = record.key.module_id
    twin = record.twin
    return ids | {
        "etag": twin.etag,
        "version": twin.version,
        "properties": {"desired": twin.desired.view(), "reported": twin.reported.view()},
    }


def _event_grid_twin(record: Record) -> Json:
    return _lifecycle_twin(record) | {
        "connectionState": "Disconnected",
        "lastActivityTime": NEVER,
        "cloudToDeviceMessageCount": 0,
        "authenticationType": "sas",
        "status": record.identity.status,
        "statusUpdateTime": NEVER,
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
    }
