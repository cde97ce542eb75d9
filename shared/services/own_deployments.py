"""Finds and changes the deployments that single devices were given.

They lie in the rows of their devices. A note by update is written before the row is, so that a
recall, a deletion or a change of the signing key finds them all without looking through the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import batched

from shared import messages
from shared.domain.fleet.deployment import Change, Deployment
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key
from shared.domain.fleet.device_orders import is_in_force
from shared.domain.instant import later
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Devices, OwnDeployments, OwnNote, Page, Queues, Stored
from shared.services.announce import Announcer
from shared.services.device_write import device_write
from shared.services.retrying import retry_on_conflict

_AT_ONCE = 16
_STALE = timedelta(days=1)
"""How old a note must be to go where its row has no such deployment: no request takes that long."""

type Found = tuple[DeviceRecord, Deployment]


@dataclass(slots=True)
class DevicesOwnDeployments:
    """Deployments of devices' own, across an instance."""

    own_deployments: OwnDeployments
    devices: Devices
    queues: Queues
    clock: Clock
    announcer: Announcer

    async def note(self, instance: str, record: DeviceRecord, update_id: UpdateId) -> None:
        """Note that a device has, or is about to be given, a deployment of an update."""
        note = OwnNote(update_id, record.device_id, record.module_id, self.clock.now())
        await self.own_deployments.note(instance, note)

    async def in_force(self, instance: str, update_id: UpdateId, most: int) -> list[Found]:
        """Devices whose own deployment of an update may still ask them; `most` at most."""
        found: list[Found] = []
        async for notes in self._notes(instance, update_id):
            for _, row in await self._rows(instance, notes):
                found += [
                    (row.value, item)
                    for item in row.value.own
                    if item.update_id == update_id and is_in_force(row.value, item)
                ]
            if len(found) >= most:
                break
        return found[:most]

    async def page(self, instance: str, update_id: UpdateId, token: str | None) -> Page[Found]:
        """Some of the devices that have an own deployment of an update, with it."""
        notes = await self.own_deployments.notes(instance, update_id, token)
        found: list[Found] = []
        for some in batched(notes.items, _AT_ONCE, strict=False):
            found += [
                (row.value, item)
                for _, row in await self._rows(instance, some)
                for item in row.value.own
                if item.update_id == update_id
            ]
        return Page(found, notes.token)

    async def change(self, instance: str, update_id: UpdateId | None, change: Change) -> None:
        """Change every device's own deployments of an update, or all, and look at these devices.

        Doing it again changes nothing more, and looks at them again.
        """
        async for notes in self._notes(instance, update_id):
            concerned = await self._rows(instance, notes)
            await asyncio.gather(
                *(self._change(instance, row, note.update_id, change) for note, row in concerned)
            )

    async def _change(
        self, instance: str, row: Stored[DeviceRecord], update_id: UpdateId, change: Change
    ) -> None:
        bucket, key = bucket_of(row.value.device_id), row.value.key
        at_hand = [row]

        async def cycle() -> None:
            rows = (
                {key: at_hand.pop()}
                if at_hand
                else await self.devices.load(instance, bucket, [key])
            )
            if key not in rows:
                return
            known = rows[key].value
            own = tuple(change(item) if item.update_id == update_id else item for item in known.own)
            after = replace(known, own=own)
            write = device_write(self.announcer, instance, rows[key], after)
            if write is not None:
                await self.devices.commit(instance, bucket, [write])

        await retry_on_conflict(cycle)
        await self.queues.put(messages.Reconcile(instance=instance, bucket=bucket, devices=[key]))

    async def _notes(
        self, instance: str, update_id: UpdateId | None
    ) -> AsyncIterator[Sequence[OwnNote]]:
        token: str | None = None
        while True:
            page = await self.own_deployments.notes(instance, update_id, token)
            for some in batched(page.items, _AT_ONCE, strict=False):
                yield some
            if (token := page.token) is None:
                return

    async def _rows(
        self, instance: str, notes: Sequence[OwnNote]
    ) -> list[tuple[OwnNote, Stored[DeviceRecord]]]:
        """The rows that have what their note says; notes that are outlived are removed."""
        rows = await asyncio.gather(*(self._row(instance, note) for note in notes))
        found = []
        for note, row in zip(notes, rows, strict=True):
            if row is not None and any(own.update_id == note.update_id for own in row.value.own):
                found.append((note, row))
            elif later(note.at, _STALE) < self.clock.now():
                await self.own_deployments.forget(instance, note)
        return found

    async def _row(self, instance: str, note: OwnNote) -> Stored[DeviceRecord] | None:
        key = device_key(note.device_id, note.module_id)
        return (await self.devices.load(instance, bucket_of(note.device_id), [key])).get(key)
