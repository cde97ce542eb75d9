"""A device that refuses a manifest as the public C agent does: it does not say what has failed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.iot.device import ProxyOptions
from azure.iot.device.aio import IoTHubDeviceClient

from local.fleet.device import SimulatedDevice
from local.fleet.registry import register
from shared.contract.codes import AgentState, Erc
from shared.contract.twin import acknowledgement, result_report, startup_report
from tests.packages import MANUFACTURER, make_package, unique

if TYPE_CHECKING:
    from local.stack.running import Stack
    from tests.product import Product


def device_client(stack: Stack, device: SimulatedDevice) -> Any:
    key = register(stack, [device])[device.device_id]
    tunnel: Any = ProxyOptions
    return IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId={device.device_id};SharedAccessKey={key}",
        server_verification_cert=Path(stack.ca_file).read_text(),
        proxy_options=tunnel("HTTP", "127.0.0.1", stack.ports["iothub"]),
    )


async def test_device_that_refuses_without_saying_what_has_failed(
    stack: Stack, product: Product
) -> None:
    model, group = unique("model"), unique("group")
    package = make_package(model)
    await product.publish(package)
    device = SimulatedDevice(f"{model}-0", MANUFACTURER, model, group)
    client = await asyncio.to_thread(device_client, stack, device)
    await client.connect()
    await client.patch_twin_reported_properties(startup_report(MANUFACTURER, model))
    await product.seen(group, 1)
    deployment = await product.rest.deploy(group, package.update_id)

    async def asked() -> Any:
        desired = (await client.get_twin())["desired"]
        assert "deviceUpdate" in desired
        return desired

    desired = await product.eventually(asked)
    codes = (Erc.JWS_INVALID_SIGNATURE, Erc.PACKAGE_UNCHANGED)
    service = desired["deviceUpdate"]["service"]
    for report in (
        result_report(AgentState.DEPLOYMENT_IN_PROGRESS, 1),
        result_report(AgentState.FAILED, 0, extended_result_codes=codes),
        acknowledgement(service, desired["$version"]),
    ):
        await client.patch_twin_reported_properties(report)
    await product.until_counts(group, deployment, failed=1)
    shown = await product.rest.get(f"management/devices/{device.device_id}")
    await client.shutdown()

    assert shown["failure"]["code"] == "A0200004"
    assert shown["failure"]["nextStep"]
