"""Says why a device has, will get or will not get an update: six reads, whatever the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.fleet.explain import Explanation, Facts, explain
from shared.domain.fleet.reconcile import LINK_LIFE
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.rollouts.gate import waits_for
from shared.domain.rollouts.ledger import asks_of
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Devices, Fleet, Passes, Updates


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation and when it held."""

    explanation: Explanation
    as_of: str


@dataclass(slots=True)
class Explanations:
    """Explains devices."""

    devices: Devices
    deployments: Deployments
    updates: Updates
    passes: Passes
    fleet: Fleet
    clock: Clock
    link_life: timedelta = LINK_LIFE

    async def of_device(
        self, instance: str, device_id: str, module_id: str | None, update_id: UpdateId | None
    ) -> Explained:
        """Explain a device.

        Args:
            instance: The instance.
            device_id: The device.
            module_id: A module of it.
            update_id: The update asked about; None for whatever is decided about the device.
        """
        now, key, bucket = self.clock.now(), device_key(device_id, module_id), bucket_of(device_id)
        row = (await self.devices.load(instance, bucket, [key])).get(key)
        record = row.value if row else None
        update = await self.updates.get(instance, update_id) if update_id else None
        deployments = await self._of_group(instance, record)
        facts = Facts(
            key=key,
            record=record,
            asked_for=update_id,
            update=update.value if update else None,
            deployments=deployments,
            elsewhere=await self._elsewhere(instance, update_id, record, deployments),
            now=now,
            bucket=bucket,
            link_life=self.link_life,
            used=await self._used(instance, bucket, record, deployments),
            waits=await self._waits(instance, record, deployments),
        )
        return Explained(explain(facts), now)

    async def _of_group(self, instance: str, record: DeviceRecord | None) -> list[Deployment]:
        if record is None or not record.registers:
            return []
        stored = await self.deployments.of_group(instance, view(record).group_id)
        return [item.value for item in stored]

    async def _elsewhere(
        self,
        instance: str,
        update_id: UpdateId | None,
        record: DeviceRecord | None,
        deployments: Sequence[Deployment],
    ) -> list[str]:
        """Groups that the update is deployed to, where the device has no deployment of it."""
        if update_id is None or record is None:
            return []
        if any(item.update_id == update_id for item in (*record.own, *deployments)):
            return []
        stored = await self.deployments.of_instance(instance)
        return sorted({item.value.group_id for item in stored if item.value.update_id == update_id})

    async def _used(
        self,
        instance: str,
        bucket: int,
        record: DeviceRecord | None,
        deployments: Sequence[Deployment],
    ) -> dict[str, tuple[int, int]]:
        """Devices of the bucket that each roll-out has asked, where it may not ask all: all, and
        members of phases by count.
        """
        paced = [
            item
            for item in deployments
            if item.progress and (item.progress.allow_asks or item.progress.allow_members)
        ]
        if record is None or not paced:
            return {}
        ledger = (await self.passes.ledger(instance, bucket, view(record).group_id)).value
        return {item.workflow_id: asks_of(ledger, item.workflow_id) for item in paced}

    async def _waits(
        self, instance: str, record: DeviceRecord | None, deployments: Sequence[Deployment]
    ) -> dict[str, str]:
        """What the open phase of each roll-out waits for, where others follow it."""
        going_on = [item for item in deployments if _has_more_phases(item)]
        if record is None or not going_on:
            return {}
        group = view(record).group_id
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        if rollup is None:
            return {}
        found = {}
        for item in going_on:
            assert item.rollout is not None
            assert item.progress is not None
            by_class = figures_by_class(item, rollup.counts, rollup.as_of)
            found[item.workflow_id] = waits_for(item.rollout, item.progress, by_class)
        return found


def _has_more_phases(item: Deployment) -> bool:
    if item.rollout is None or item.progress is None or item.is_final:
        return False
    return 0 <= item.progress.phase < len(item.rollout.phases) - 1
