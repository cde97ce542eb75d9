"""Relays twin changes, and deletions of modules, from the hub's event stream to Event Grid.

IoT Hub cannot send twin changes to Event Grid itself. An Event Grid trigger runs once an event and
one failure redelivers a whole array, so the changes of one device bucket travel in one event, up to
the 64 KB that Event Grid counts as one.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import (
    TwinChange,
    bucket_of,
)
from shared.domain.fleet.twin_content import kept_content
from shared.domain.instant import instant
from shared.domain.refused_events import Refusal
from shared.ports import Events
from shared.services.devices.refusals import Refusals
from shared.topology import EventType

MAX_CHUNK_BYTES = 60_000
MAX_REQUEST_BYTES = 900_000
"""Event Grid takes 1 MB of events at once, what is around each of them included."""
_SEPARATOR_BYTES = 2
_OVERSIZED_BYTES = 128_000
_LIFECYCLE = frozenset({"deviceLifecycleNotification", "moduleLifecycleNotification"})
_DELETIONS = frozenset({"deleteModuleIdentity", "deleteDeviceIdentity"})
"""What a module's deletion is called: pages of the hub's documentation differ."""
_CONNECTION = "deviceConnectionStateNotification"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubEvent:
    """One event of the hub's stream: its application properties and its body."""

    properties: Mapping[str, Any]
    body: bytes


class ModuleDeletion(msgspec.Struct, frozen=True):
    """The deletion of a module by itself, at a time of the hub, ISO 8601 in UTC."""

    device_id: str
    module_id: str
    at: str


class Chunk(msgspec.Struct, frozen=True):
    """What one relayed event holds of devices of one bucket: changes in the order of the stream,
    or deletions of modules.
    """

    instance: str
    bucket: int
    changes: list[TwinChange]
    deletions: list[ModuleDeletion] = []


@dataclass(slots=True)
class TwinRelay:
    """Cuts twin changes down, folds them by bucket and publishes them.

    `instances` maps a hub's name to the instance that it belongs to.
    """

    events: Events
    instances: Mapping[str, str]
    refusals: Refusals | None = None

    async def relay(self, batch: Sequence[HubEvent]) -> None:
        """Publish the twin changes of a batch; events that are none of ours are counted and
        dropped.
        """
        by_bucket: dict[tuple[str, int], list[TwinChange]] = {}
        deleted: dict[tuple[str, int], list[ModuleDeletion]] = {}
        refused = Counter[Refusal]()
        for event in batch:
            if _comes_by_itself(event):
                continue
            instance = self.instances.get(str(event.properties.get("hubName", "")))
            found = _read(event) if instance is not None else None
            if instance is None:
                refused[Refusal.FOREIGN] += 1
            elif found is None:
                too_large = len(event.body) > _OVERSIZED_BYTES
                refused[Refusal.OVERSIZED if too_large else Refusal.MALFORMED] += 1
            elif isinstance(found, ModuleDeletion):
                deleted.setdefault((instance, bucket_of(found.device_id)), []).append(found)
            elif found.content or found.is_whole:
                by_bucket.setdefault((instance, bucket_of(found.device_id)), []).append(found)
        if refused:
            log.warning(
                "refused %d of %d hub events: %s",
                refused.total(),
                len(batch),
                ", ".join(f"{count} {reason}" for reason, count in refused.items()),
            )
        chunks = [
            Chunk(instance, bucket, changes)
            for (instance, bucket), all_changes in by_bucket.items()
            for changes in _cut(all_changes, MAX_CHUNK_BYTES)
        ]
        chunks += [
            Chunk(instance, bucket, [], deletions)
            for (instance, bucket), all_deletions in deleted.items()
            for deletions in _cut(all_deletions, MAX_CHUNK_BYTES)
        ]
        for some in _cut(chunks, MAX_REQUEST_BYTES):
            await self.events.publish(
                EventType.TWIN_CHANGES, "devices", [msgspec.to_builtins(chunk) for chunk in some]
            )
        if refused and self.refusals is not None:
            await self.refusals.count(refused)

    def chunk_of(self, data: object) -> Chunk | None:
        """A relayed event, decoded; None if it is not one that this service can have made."""
        try:
            chunk = read_chunk(data)
        except ValueError:
            return None
        devices = {change.device_id for change in chunk.changes}
        devices |= {gone.device_id for gone in chunk.deletions}
        is_ours = chunk.instance in self.instances.values()
        return (
            chunk if is_ours and {bucket_of(item) for item in devices} <= {chunk.bucket} else None
        )


def read_chunk(data: object) -> Chunk:
    """A relayed event, decoded. Raises ValueError if it is none."""
    return msgspec.convert(data, Chunk)


def _comes_by_itself(event: HubEvent) -> bool:
    """Whether Event Grid brings the same: a hub may route more than is needed of it."""
    schema, properties = event.properties.get("iothub-message-schema"), event.properties
    if schema in _LIFECYCLE:
        return properties.get("opType") not in _DELETIONS or not properties.get("moduleId")
    return schema == _CONNECTION


def _read(event: HubEvent) -> TwinChange | ModuleDeletion | None:
    """What an event says; None if it is malformed."""
    if event.properties.get("iothub-message-schema") in _LIFECYCLE:
        return _read_deletion(event.properties)
    return read_twin_change(event)


def _read_deletion(properties: Mapping[str, Any]) -> ModuleDeletion | None:
    device_id, module_id = properties.get("deviceId"), properties.get("moduleId")
    if not isinstance(device_id, str) or not device_id or not isinstance(module_id, str):
        return None
    try:
        at = instant(str(properties.get("operationTimestamp")))
    except InvalidInput:
        return None
    return ModuleDeletion(device_id, module_id, at)


def read_twin_change(event: HubEvent) -> TwinChange | None:
    """A twin-change notification cut down to what the service keeps; None if it is malformed."""
    properties = event.properties
    if properties.get("iothub-message-schema") != "twinChangeNotification":
        return None
    if len(event.body) > _OVERSIZED_BYTES:
        return None
    try:
        body = json.loads(event.body)
        version = body["version"]
        device_id = properties["deviceId"]
        at = instant(str(properties["operationTimestamp"]))
    except (ValueError, KeyError, TypeError, RecursionError, InvalidInput):
        return None
    if type(version) is not int or not isinstance(device_id, str) or not device_id:
        return None
    module_id = properties.get("moduleId")
    return TwinChange(
        device_id=device_id,
        module_id=module_id if isinstance(module_id, str) and module_id else None,
        version=version,
        content=kept_content(body),
        is_whole=properties.get("opType") == "replaceTwin",
        at=at,
    )


def _cut[T](items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Pieces that stay below a size, as the JSON that the SDK sends: with escapes and blanks."""
    piece: list[T] = []
    size = 0
    for item in items:
        length = len(json.dumps(msgspec.to_builtins(item))) + _SEPARATOR_BYTES
        if piece and size + length > most:
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += length
    if piece:
        yield piece
