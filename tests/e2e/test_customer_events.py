"""What a customer's system hears of the product through a subscription of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections import Counter
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from jsonschema import Draft202012Validator

from shared.domain.domain_event import EventKind
from shared.domain.events.schema import schema
from tests.integration.eventgrid.webhook import Webhook, start_webhook
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from local.stack.running import Stack
    from tests.product import Product

_SUCCEEDED = EventKind.DEVICE_SUCCEEDED.value
OF_ROLLOUTS = {EventKind.ROLLOUT_CHANGED}
TOLD = set(EventKind) - OF_ROLLOUTS
"""What a deployment without phases has to tell; the rest is what one with phases tells besides."""
PHASES = [
    {"name": "canary", "select": {"count": 1}, "gate": {"advance": "Manual"}},
    {"name": "all", "select": {"percent": 100}},
]
VALIDATOR = Draft202012Validator(schema())


@asynccontextmanager
async def customer(stack: Stack) -> AsyncIterator[Webhook]:
    """A system that has subscribed to all events while the block lasts."""
    name = unique("customer")
    folder = Path(stack.state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    trust = ssl.create_default_context(cafile=stack.ca_file)
    address = f"{stack.event_grid_endpoint}/admin/subscriptions/{name}"
    key = {"aeg-admin-key": stack.event_grid_admin_key}
    async with (
        start_webhook(context) as webhook,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), headers=key) as session,
    ):
        wanted = {
            "topic": "customers",
            "endpoint": webhook.endpoint,
            "schema": "CloudEventSchemaV1_0",
        }
        async with session.put(address, json=wanted) as response:
            assert response.status == 201, await response.text()
        yield webhook
        await session.delete(address)


async def test_customer_hears_of_everything_that_happens(stack: Stack, product: Product) -> None:
    model, group = unique("model"), unique("group")
    package, broken = make_package(model), make_package(model, version="1.1")
    update_id = package.update_id

    async with customer(stack) as webhook:
        await product.publish(package)
        refused = await product.import_items(
            product.sources.offer_bytes(broken.manifest, {"install.sh": b"other"})
        )
        async with product.fleet(group, model, 3) as fleet:
            fleet.simulate(f"{model}-2", {"install": {"resultCode": 0}})
            await product.seen(group, 3)
            deployment = await product.rest.deploy(group, update_id)
            await product.until_counts(group, deployment, succeeded=2, failed=1)
            class_id = await product.class_of(f"{model}-0")
            base = f"management/groups/{group}/deviceClassSubgroups/{class_id}/deployments"

            async def finished() -> None:
                kinds = {event["type"] for event in ours()}
                assert EventKind.DEPLOYMENT_FINISHED in kinds, kinds

            def ours() -> list[dict[str, Any]]:
                return [item for item in webhook.events if _is_about(item, update_id, refused)]

            await product.eventually(finished)
            await assert_reported(product, group, class_id, deployment, f"{model}-2")
            await product.rest.request("POST", f"{base}/{deployment}:cancel")
        version = "updates/providers/{provider}/names/{name}/versions/{version}".format(**update_id)
        await product.rest.request("POST", f"{version}:recall", {"reason": "It drains batteries."})

        async def heard() -> None:
            assert {event["type"] for event in ours()} == TOLD

        await product.eventually(heard)
        events = ours()

    for event in events:
        VALIDATOR.validate(event)
    facts = {event["id"]: event for event in events}
    by_kind = Counter(event["type"] for event in facts.values())
    assert by_kind == Counter({kind.value: 1 for kind in TOLD} | {_SUCCEEDED: 2})
    (failure,) = [event for event in facts.values() if event["type"] == EventKind.DEVICE_FAILED]
    assert failure["subject"] == f"management/devices/{model}-2"
    assert failure["data"]["message"]
    assert failure["data"]["nextStep"]
    command = [sys.executable, "-m", "local.cli", "events", "--state", stack.state, "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert facts.keys() <= {json.loads(line)["id"] for line in output.splitlines()}


async def test_customer_hears_of_every_transition_of_a_rollout(
    stack: Stack, product: Product
) -> None:
    model, group = unique("model"), unique("group")
    package = make_package(model)
    await product.publish(package)

    async with customer(stack) as webhook, product.fleet(group, model, 3):
        await product.seen(group, 3)
        identity = await product.rest.deploy(group, package.update_id, rollout={"phases": PHASES})
        path = f"management/groups/{group}/deployments/{identity}"

        async def steps() -> list[str]:
            return [made["step"] async for made in product.rest.items(f"{path}/history")]

        async def waits() -> None:
            assert (await steps())[-1] == "AwaitingAdvance"

        async def completed() -> None:
            assert (await steps())[-1] == "Completed"

        await product.eventually(waits)
        await product.rest.request("POST", f"{path}:advance", {"phase": 1})
        await product.eventually(completed)
        history = [made async for made in product.rest.items(f"{path}/history")]

        def told() -> dict[str, dict[str, Any]]:
            return {
                event["id"]: event
                for event in webhook.events
                if event["type"] in OF_ROLLOUTS and event["data"]["deploymentId"] == identity
            }

        async def heard() -> None:
            assert len(told()) >= len(history)

        await product.eventually(heard)
        events = list(told().values())

    for event in events:
        VALIDATOR.validate(event)
        assert event["data"].pop("update") == package.update_id
    assert in_order(_as_in_history(event) for event in events) == in_order(history)
    steps_made = [made["step"] for made in history]
    assert steps_made[:4] == ["Created", "Started", "PhaseCovered", "AwaitingAdvance"]
    assert (steps_made[4], steps_made[-1]) == ("PhaseOpened", "Completed")
    assert {made["actor"] for made in history} > {"service"}


def in_order(transitions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By their time; several may be made at one."""
    timed = [{**made, "at": datetime.fromisoformat(made["at"])} for made in transitions]
    return sorted(timed, key=lambda made: (made["at"], made["step"], made.get("phase", -1)))


def _as_in_history(event: dict[str, Any]) -> dict[str, Any]:
    """A transition as the API lists it, from the event that told it."""
    only_told = ("deploymentId", "groupId", "phaseName")
    data = {name: value for name, value in event["data"].items() if name not in only_told}
    return {"at": event["time"], **data}


async def assert_reported(
    product: Product, group: str, class_id: str, deployment: str, sick: str
) -> None:
    """The API says the same as the events: who failed, why, and what to do about it."""
    rest, base = product.rest, f"management/groups/{group}"
    device = await rest.get(f"management/devices/{sick}")
    failure = device["failure"]
    assert failure.keys() == {"code", "message", "nextStep"}
    assert device["lastContactDateTime"]
    states = f"{base}/deviceClassSubgroups/{class_id}/deployments/{deployment}/devicestates"
    found = {item["deviceId"]: item async for item in rest.items(states)}
    assert [item.get("failure") for item in found.values()].count(None) == 2
    assert found[sick]["failure"] == failure
    status = await rest.get(f"{base}/deployments/{deployment}/status")
    (subgroup,) = status["subgroupStatus"]
    (counted,) = subgroup["failures"]
    assert counted["deviceCount"] == subgroup["devicesCompletedFailedCount"] == 1
    assert (await rest.get(f"{base}/failures"))["value"] == [counted]
    (entry,) = (await rest.get(f"management/devices/{sick}/updateHistory"))["value"]
    assert (entry["state"], entry["deploymentId"]) == ("Failed", deployment)
    assert entry["failure"] == failure
    assert entry["startedDateTime"] <= entry["endedDateTime"]
    health = await rest.get(f"{base}/connectionHealth")
    kinds = ("connectedDeviceCount", "disconnectedDeviceCount", "unknownDeviceCount")
    assert sum(health[name] for name in kinds) == health["totalDeviceCount"] == 3


def _is_about(event: dict[str, Any], update_id: Mapping[str, str], operation: Any) -> bool:
    data = event["data"]
    return data.get("update") == update_id or data.get("operationId") == operation["operationId"]
