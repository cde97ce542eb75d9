"""What became of updates on one device, the newest first."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import NotFound
from shared.domain.fleet.device import bucket_of, device_key, view
from shared.domain.fleet.device_history import Installation, present_installation
from shared.ports import Devices, Page


@dataclass(slots=True)
class DeviceHistory:
    """Histories of an instance's devices."""

    devices: Devices

    async def page(
        self, instance: str, device_id: str, module_id: str | None, *, token: str | None, size: int
    ) -> Page[Installation]:
        """One page; it begins with what the device was last asked for.

        Raises:
            NotFound: There is no such device with an update agent.
        """
        key, bucket = device_key(device_id, module_id), bucket_of(device_id)
        rows = await self.devices.load(instance, bucket, [key])
        if key not in rows or view(rows[key].value).device_class is None:
            raise NotFound(f"Device '{key}' does not exist.", target="deviceId")
        present = None if token else present_installation(rows[key].value)
        past = await self.devices.installations(
            instance, bucket, key, after=token or "", size=size + 1
        )
        following = past[size - 1].position if len(past) > size else None
        return Page([*([present] if present else []), *past[:size]], following)
