"""Device identities of a simulated fleet, through the hub's own service SDK."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from local.fleet.device import SimulatedDevice
from local.stack.running import Stack


def registry(stack: Stack) -> Any:
    """The service SDK's registry client for the stack's hub."""
    from azure.iot.hub import IoTHubRegistryManager

    client = IoTHubRegistryManager.from_connection_string(stack.iot_hub_connection_string)
    client.protocol.config.connection.verify = stack.ca_file
    return client


def register(stack: Stack, devices: Sequence[SimulatedDevice]) -> dict[str, str]:
    """Create the identities that are not there yet, tag them, and return every device's key."""
    from azure.iot.hub.models import (
        AuthenticationMechanism,
        ExportImportDevice,
        SymmetricKey,
        Twin,
    )

    client = registry(stack)
    fresh = {
        device.device_id: base64.b64encode(secrets.token_bytes(32)).decode() for device in devices
    }
    client.bulk_create_or_update_devices(
        [
            ExportImportDevice(
                id=device_id,
                import_mode="create",
                status="enabled",
                authentication=AuthenticationMechanism(
                    type="sas", symmetric_key=SymmetricKey(primary_key=key, secondary_key=key)
                ),
            )
            for device_id, key in fresh.items()
        ]
    )
    keys = {}
    for device in devices:
        known = client.get_device(device.device_id)
        keys[device.device_id] = known.authentication.symmetric_key.primary_key
        if device.group is not None:
            client.update_twin(device.device_id, Twin(tags={"ADUGroup": device.group}))
    return keys
