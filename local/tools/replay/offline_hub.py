"""A hub whose devices go on living while nobody serves it: its database is changed directly.

The rules of twins and identities, the events and their numbers are the hub's own. Its events go to
a recording instead of its log, so that the service does not get them yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import batched
from pathlib import Path

import msgspec

from local.cloud.iothub.events import Message, Outlet
from local.cloud.iothub.records import Key
from local.cloud.iothub.registry import Registry
from local.cloud.iothub.store import Store, Transaction, timestamp
from local.cloud.iothub.twins import Twins
from local.tools.replay.recording import Channel, Event, Recording
from local.tools.replay.story import Act, Step

PARTITIONS = 4
_STEPS_A_TRANSACTION = 1000
_SHADOWS = (
    # temporary tables hide those of the database that they are called after
    "CREATE TEMP TABLE events (partition INTEGER, sequence INTEGER, enqueued REAL, message BLOB)",
    "CREATE TEMP TABLE outbox (id INTEGER PRIMARY KEY, enqueued REAL, event BLOB)",
)


async def live(
    folder: Path, hub_name: str, steps: Iterable[Step], began_at: float, recording: Recording
) -> None:
    """Have devices live through steps, which are in order of time.

    Args:
        folder: State of the hub, which must not be running; made if there is none.
        hub_name: What the hub calls itself in events.
        steps: What happens.
        began_at: When the first second of the steps was, in seconds since 1970.
        recording: Takes the events.
    """
    outlet = Outlet(hub_name, PARTITIONS, event_grid=True)
    offline = _OfflineHub(
        Registry(outlet, lambda _: None), Twins(outlet, lambda *_: None), outlet, recording
    )
    store = Store(folder)
    try:
        for statement in _SHADOWS:
            await store.write(partial(_run, statement))
        for some in batched(steps, _STEPS_A_TRANSACTION, strict=False):
            await store.write(partial(offline.take, steps=some, began_at=began_at))
    finally:
        await store.close()


def _run(statement: str, tx: Transaction) -> None:
    tx.execute(statement)


@dataclass(frozen=True, slots=True)
class _OfflineHub:
    registry: Registry
    twins: Twins
    outlet: Outlet
    recording: Recording

    def take(self, tx: Transaction, steps: Iterable[Step], began_at: float) -> None:
        for step in steps:
            then = began_at + step.at
            self._step(Transaction(tx.connection, then, timestamp(then)), step)
            # what a step has told, and in that order
            for (message,) in tx.execute("DELETE FROM events RETURNING message").fetchall():
                told = msgspec.msgpack.decode(message, type=Message)
                self.recording.append(Event(Channel.STREAM, msgspec.json.encode(told)))
            for (event,) in tx.execute("DELETE FROM outbox RETURNING event").fetchall():
                self.recording.append(Event(Channel.GRID, event))

    def _step(self, tx: Transaction, step: Step) -> None:
        key = Key(step.device_id)
        match step.act:
            case Act.CREATE:
                self.registry.create(tx, key, {})
            case Act.TAG:
                self.twins.patch(tx, key, {"tags": {"ADUGroup": step.value}}, None)
            case Act.REPORT:
                self.twins.report(tx, key, step.value)
            case Act.CONNECT | Act.DISCONNECT:
                self.outlet.connection_changed(tx, key, connected=step.act is Act.CONNECT)
            case Act.DELETE:
                self.registry.delete(tx, key, None)
