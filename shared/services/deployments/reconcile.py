"""Brings device twins to what the deployments in force ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any

from shared import messages
from shared.domain.errors import DependencyFailed, NotFound
from shared.domain.fleet.deployment import Commanded, Deployment
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.reconcile import wanted
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Devices, DeviceWrite, Hub, Stored
from shared.services.announce import Announcer
from shared.services.deployments.command import Commands
from shared.services.devices.device_write import device_write
from shared.services.pacing import Pacer
from shared.services.retrying import until_uncontended
from shared.services.rollup_scheduler import RollupScheduler

log = logging.getLogger(__name__)

_CHUNK = 25
"""Devices patched before their rows are written: what a crash may patch a second time."""


@dataclass(slots=True)
class Reconcile:
    """Patches a twin only where the device has not been asked for the wanted already."""

    devices: Devices
    deployments: Deployments
    hub: Hub
    commands: Commands
    pacer: Pacer
    rollups: RollupScheduler
    clock: Clock
    announcer: Announcer = field(default_factory=Announcer)

    async def run(self, order: messages.Reconcile) -> None:
        """Reconcile the devices that a message names, or its group, in one bucket."""
        if order.devices is not None:
            await self.devices_of_bucket(order.instance, order.bucket, order.devices)
        elif order.group is not None:
            await self.group_in_bucket(order.instance, order.bucket, order.group)

    async def devices_of_bucket(self, instance: str, bucket: int, keys: Sequence[str]) -> None:
        """Reconcile these devices of one bucket."""
        for chunk in batched(keys, _CHUNK, strict=False):
            await self._chunk(instance, bucket, chunk, {}, {})

    async def group_in_bucket(self, instance: str, bucket: int, group: str) -> None:
        """Reconcile every device of a group in one bucket."""
        deployments: dict[str, Sequence[Deployment]] = {}
        cache: dict[UpdateId, Mapping[str, Any]] = {}
        token: str | None = None
        while True:
            page = await self.devices.of_bucket(instance, bucket, group=group, token=token)
            for chunk in batched((row.value.key for row in page.items), _CHUNK, strict=False):
                await self._chunk(instance, bucket, chunk, deployments, cache)
            token = page.token
            if token is None:
                return

    async def _chunk(
        self,
        instance: str,
        bucket: int,
        keys: Sequence[str],
        deployments: dict[str, Sequence[Deployment]],
        cache: dict[UpdateId, Mapping[str, Any]],
    ) -> None:
        async def cycle() -> list[DeviceWrite]:
            rows = await self.devices.load(instance, bucket, keys)
            due = [
                (row, command)
                for row in rows.values()
                if (command := await self._wanted(instance, row.value, deployments)) is not None
            ]
            results = await asyncio.gather(
                *(self._command(instance, row.value, command, cache) for row, command in due),
                return_exceptions=True,
            )
            writes = [
                write
                for (row, _), result in zip(due, results, strict=True)
                if isinstance(result, Commanded)
                and (write := self._write(instance, row, result)) is not None
            ]
            if writes:
                await self.devices.commit(instance, bucket, writes)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            return writes

        writes = await until_uncontended(cycle)
        for group in {item.after.commanded.group_id for item in writes if item.after.commanded}:
            await self.rollups.request(instance, group)
        if any(write.events for write in writes):
            await self.announcer.bucket(instance, bucket)

    async def _wanted(
        self, instance: str, record: DeviceRecord, cache: dict[str, Sequence[Deployment]]
    ) -> Commanded | None:
        group = view(record).group_id
        if group not in cache:
            stored = await self.deployments.of_group(instance, group)
            cache[group] = [item.value for item in stored]
        return wanted(record, cache[group], self.clock.now())

    async def _command(
        self,
        instance: str,
        record: DeviceRecord,
        command: Commanded,
        cache: dict[UpdateId, Mapping[str, Any]],
    ) -> Commanded | None:
        """Patch one twin; what was asked for, None if there is nothing to patch any more."""
        try:
            desired, command = await self.commands.desired(
                instance, command, record.commanded, cache
            )
        except NotFound as error:
            # an update can be deleted once no active deployment needs it; an older deployment that
            # comes into force again has nothing to ask for then
            log.warning("%s is left as it is: %s", record.key, error.message)
            return None
        if record.commanded is None or record.commanded.workflow_id != command.workflow_id:
            command = replace(command, at=self.clock.now())
        await self.pacer.turn(instance)
        try:
            await self.hub.patch_desired(instance, record.device_id, record.module_id, desired)
        except NotFound:
            return None  # the device is gone; its deletion event takes care of the row
        except DependencyFailed as error:
            self.pacer.push_back(instance, error.retry_after)
            raise
        return command

    def _write(
        self, instance: str, row: Stored[DeviceRecord], command: Commanded
    ) -> DeviceWrite | None:
        after = replace(row.value, commanded=command)
        return device_write(self.announcer, instance, row, after)
