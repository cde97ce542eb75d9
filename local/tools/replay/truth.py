"""What is right: one fold of all events in their order, with nothing but rules of the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from local.cloud.iothub.events import Message
from local.tools.replay.recording import Channel, Event
from shared.domain.fleet.asking import given
from shared.domain.fleet.counters import (
    Counts,
    History,
    contribution,
    history_contribution,
    moved_on,
    outcome_in,
    resumed_workflow,
    total,
)
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    fold,
    fold_connection,
    fold_deletion,
    view,
)
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.domain.instant import instant
from shared.services.devices.relay import HubEvent, read_twin_change
from shared.topology import EventType


@dataclass(slots=True)
class Truth:
    """Devices and what they have left behind, as they should be stored."""

    records: dict[str, DeviceRecord] = field(default_factory=dict)
    histories: dict[str, dict[str, History]] = field(default_factory=dict)
    """By device and workflow."""
    deployments: Sequence[Deployment] = ()
    changes: int = 0
    """Twin changes heard of so far that something is kept of."""

    def deployed(self, deployments: Sequence[Deployment]) -> None:
        """Take deployments into force, for the devices that are there and those to come."""
        self.deployments = deployments
        for device in self.records:
            self._reconcile(device)

    def hear(self, events: Iterable[Event]) -> None:
        """Fold events in their order."""
        for event in events:
            if event.channel is Channel.STREAM:
                self._message(msgspec.json.decode(event.body, type=Message))
            else:
                self._grid(msgspec.json.decode(event.body))

    @property
    def devices(self) -> dict[str, DeviceRecord]:
        """The devices that are there in the end."""
        return {key: record for key, record in self.records.items() if record.registers}

    @property
    def counts(self) -> Counts:
        """The counters of all buckets."""
        past = (item for some in self.histories.values() for item in some.values())
        parts = [contribution(record) for record in self.records.values()]
        return total([*parts, *map(history_contribution, past)])

    def _message(self, message: Message) -> None:
        change = read_twin_change(HubEvent(message.properties, message.body))
        if change is None:
            return  # of another kind: Event Grid brings these
        key = change.device_id
        self.changes += bool(change.content)
        known = self.records.get(key, DeviceRecord(key))
        after = fold(known, change)
        self._become(key, after)
        self._revise(after)
        self._reconcile(key)

    def _grid(self, event: Mapping[str, Any]) -> None:
        key = event["data"]["deviceId"]
        if key not in self.records:
            return
        match event["eventType"]:
            case EventType.DEVICE_DELETED:
                after = fold_deletion(self.records[key], instant(event["eventTime"]), None)
                self._become(key, after)
            case EventType.DEVICE_CONNECTED | EventType.DEVICE_DISCONNECTED as kind:
                self._become(
                    key,
                    fold_connection(
                        self.records[key],
                        is_connected=kind == EventType.DEVICE_CONNECTED,
                        sequence_number=event["data"]["deviceConnectionStateEventInfo"][
                            "sequenceNumber"
                        ],
                    ),
                )

    def _become(self, key: str, after: DeviceRecord) -> None:
        before = self.records.get(key)
        left, taken = moved_on(before, after), resumed_workflow(before, after)
        past = self.histories.setdefault(key, {})
        if left is not None:
            past[left.workflow_id] = left
        if taken is not None:
            past.pop(taken, None)
        self.records[key] = after

    def _revise(self, record: DeviceRecord) -> None:
        past = self.histories[record.key]
        for workflow_id, item in past.items():
            if item.state is not DeviceState.SUCCEEDED:
                past[workflow_id] = outcome_in(record, item.commanded)

    def _reconcile(self, key: str) -> None:
        record = self.records[key]
        group = view(record).group_id
        own = [item for item in self.deployments if item.group_id == group]
        now = max((item.created_at for item in own), default="")
        command = desired_command(record, by_precedence(own), now).command
        if command is not None:
            self._become(key, replace(given(record, command, now), is_pending=False))
