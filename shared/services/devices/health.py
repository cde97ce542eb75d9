"""Lists the health of devices: of one, or of all that are unhealthy."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.fleet.device import BUCKETS, DeviceRecord, bucket_of, device_key
from shared.domain.fleet.health import UNHEALTHY, Health, health_of
from shared.domain.fleet.queries import HealthFilter
from shared.ports import DeviceQuery, Devices, Page
from shared.services.paging import page_of_buckets


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """A device and its health."""

    record: DeviceRecord
    health: Health


@dataclass(slots=True)
class HealthLists:
    """Health of an instance's devices."""

    devices: Devices

    async def page(
        self, instance: str, wanted: HealthFilter, *, token: str | None, size: int
    ) -> Page[DeviceHealth]:
        """One page; that of a device without an update agent is empty."""
        if wanted.device_id is not None:
            key, bucket = (
                device_key(wanted.device_id, wanted.module_id),
                bucket_of(wanted.device_id),
            )
            known = await self.devices.load(instance, bucket, [key])
            return Page(_judged([row.value for row in known.values()]))
        query = DeviceQuery(health=UNHEALTHY)

        async def read(bucket: int, after: str, limit: int) -> list[tuple[str, DeviceHealth]]:
            rows = await self.devices.find(instance, bucket, query, after=after, size=limit)
            return [(item.record.key, item) for item in _judged([row.value for row in rows])]

        return await page_of_buckets(range(BUCKETS), read, token=token, size=size)


def _judged(records: list[DeviceRecord]) -> list[DeviceHealth]:
    return [
        DeviceHealth(record, health)
        for record in records
        if (health := health_of(record)) is not None
    ]
