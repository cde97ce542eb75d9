"""What is done to a stack before its store is recorded: something of every kind of row.

Instance `local` has four groups: `pilot`, whose devices moved on from one update to the next;
`north`, where an installation failed; `east`, where a deployment was cancelled; `west`, whose
device is at work; `south`, whose command ended as poison. Besides there are a deployment to come, a
recalled update, a parent with its child, an import that found malware, one that still waits for a
file, a deleted device, a module and a log collection. Instance `second` has one device.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from azure.iot.hub.sastoken import SasToken
from azure.storage.blob.aio import ContainerClient

from odu_cli.blob_drop import read_status
from shared.contract.codes import AgentState
from shared.topology import IMPORT_MANIFEST_SUFFIX, IMPORT_STATUS_SUFFIX
from tests.packages import Package, inline_step, make_package
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.product import Product

WAITING = f"local/late/waiting{IMPORT_MANIFEST_SUFFIX}"
_SLOW = {"install": 600.0}
_BROKEN = {"resultCode": 0, "extendedResultCodes": "30000ABC"}
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


async def tell(product: Product, second: Product) -> None:
    """Do everything; what is at work then goes on in the release that opens the recording."""
    await _updates(product)
    await _wait_for_a_file(product)
    await _pilot(product)
    await _recalled(product)
    await _failed(product)
    await _cancelled(product)
    await _at_work(product)
    await _elsewhere(second)
    body = {"deviceList": [{"deviceId": "kettle-0"}], "description": "Why it is slow"}
    await product.rest.request("PUT", "management/deviceDiagnostics/logCollections/logs-1", body)
    await _hub_is_read(product)
    await _poisoned(product)


def kettle(version: str, **changes: Any) -> Package:
    """An update of the model that most devices are of."""
    return make_package("kettle", version=version, **changes)


async def _updates(product: Product) -> None:
    await product.publish(kettle("0.9"))
    await product.publish(kettle("1.0"))
    await product.publish(kettle("1.1", files={"apply.sh": b"echo 1.1\n", "notes.txt": b"\xff"}))
    child = make_package("heater", isDeployable=False)
    steps = [
        {"type": "reference", "updateId": child.update_id},
        inline_step("install.sh", criteria="oven 1.0"),
    ]
    await product.publish(make_package("oven", instructions={"steps": steps}), child)
    infected = make_package("virus", files={"install.sh": _EICAR})
    ended = await product.import_items(product.sources.offer(infected))
    assert ended["status"] == "Failed"
    await product.unquarantined(ended["operationId"])


async def _wait_for_a_file(product: Product) -> None:
    await product.storage.put_blob("imports", WAITING, make_package("late").manifest)
    status_name = WAITING.removesuffix(IMPORT_MANIFEST_SUFFIX) + IMPORT_STATUS_SUFFIX
    async with ContainerClient.from_connection_string(
        product.stack.storage_connection_string, "imports"
    ) as container:

        async def look() -> None:
            status = await read_status(container, status_name)
            assert status is not None
            assert status["status"] == "Running"

        await product.eventually(look)


async def _pilot(product: Product) -> None:
    """Three devices and a module, which keeps silent, take up one update and then the next."""
    rest = product.rest
    async with product.fleet("pilot", "kettle", 3), product.module("pilot", "kettle"):
        await product.seen("pilot", 4)
        for version in ("1.0", "1.1"):
            identity = await rest.deploy("pilot", kettle(version).update_id, f"pilot-{version}")
            await product.until_counts("pilot", identity, succeeded=3, in_progress=1)
    await asyncio.to_thread(product.hub().delete_device, "kettle-2")
    await product.seen("pilot", 3)
    update_id = kettle("1.1").update_id
    await rest.deploy("pilot", update_id, "pilot-later", starts_at="2999-01-01T00:00:00Z")


async def _recalled(product: Product) -> None:
    update_id = kettle("0.9").update_id
    await product.rest.deploy("pilot", update_id, "recalled", starts_at="2999-01-01T00:00:00Z")
    body = {"reason": "It boils over"}
    await product.rest.request("POST", kettle("0.9").path + ":recall", body)

    async def look() -> None:
        deployment = await product.rest.get("management/groups/pilot/deployments/recalled")
        assert deployment["isCanceled"]

    await product.eventually(look)


async def _failed(product: Product) -> None:
    await product.publish(make_package("mixer"))
    async with product.fleet("north", "mixer", 2, install=_BROKEN):
        await product.seen("north", 2)
        await product.rest.deploy("north", make_package("mixer").update_id, "fails")
        await product.until_counts("north", "fails", failed=2)


async def _cancelled(product: Product) -> None:
    await product.publish(make_package("fridge"))
    async with product.fleet("east", "fridge", 1, delaySeconds=_SLOW):
        await product.seen("east", 1)
        await product.rest.deploy("east", make_package("fridge").update_id, "cancelled")
        await product.until_counts("east", "cancelled", in_progress=1)
        class_id = await product.class_of("fridge-0")
        place = f"management/groups/east/deviceClassSubgroups/{class_id}/deployments/cancelled"
        await product.rest.request("POST", f"{place}:cancel")
        await product.until_counts("east", "cancelled", canceled=1)


async def _at_work(product: Product) -> None:
    await product.publish(make_package("toaster"))
    async with product.fleet("west", "toaster", 1, delaySeconds=_SLOW):
        await product.seen("west", 1)
        update_id = make_package("toaster").update_id
        await product.rest.deploy("west", update_id, "at-work")
        await product.until_counts("west", "at-work", in_progress=1)

        async def works() -> None:
            assert (await product.agent_of("toaster-0"))[
                "state"
            ] == AgentState.DEPLOYMENT_IN_PROGRESS

        await product.eventually(works)


async def _poisoned(product: Product) -> None:
    """A hub that takes no commands, until the one for a device is given up."""
    await product.publish(make_package("fan"))
    async with product.fleet("south", "fan", 1):
        await product.seen("south", 1)
    await _fail_commands(product, 1_000_000)
    await product.rest.deploy("south", make_package("fan").update_id, "poisoned")

    async def is_given_up() -> None:
        assert (await product.storage.messages()).get("reconcile-poison") == 1

    await eventually(is_given_up, seconds=240)
    await _fail_commands(product, 0)


async def _fail_commands(product: Product, count: int) -> None:
    """Have the hub refuse the next changes of twins."""
    stack = product.stack
    access = dict(part.split("=", 1) for part in stack.iot_hub_connection_string.split(";"))
    token = SasToken(access["HostName"], access["SharedAccessKey"], access["SharedAccessKeyName"])
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.put(
            f"https://{access['HostName']}/local/faults",
            json={"failTwinPatches": {"count": count, "status": 500}},
            headers={"Authorization": str(token)},
            ssl=context,
        )


async def _elsewhere(second: Product) -> None:
    await second.publish(make_package("lamp"))
    async with second.fleet("pilot", "lamp", 1):
        await second.seen("pilot", 1)
        await second.rest.deploy("pilot", make_package("lamp").update_id, "done")
        await second.until_counts("pilot", "done", succeeded=1)


async def _hub_is_read(product: Product) -> None:
    """Has every bucket recounted, too."""
    headers, _ = await product.rest.request("POST", "management/devices:import", "All")
    ended = await product.ended(str(headers["Operation-Location"]))
    assert ended["status"] == "Succeeded"
