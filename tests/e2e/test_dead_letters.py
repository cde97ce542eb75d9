"""What Event Grid does for the service, and what an operator does about events it gives up."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from azure.data.tables.aio import TableServiceClient

from local.rest import Rest
from local.stack.credentials import Credentials
from local.stack.running import Stack, import_path, start
from local.stack.subscriptions import subscription_body, webhook
from shared.domain.topology import EVENT_SUBSCRIPTIONS, EventType
from tests.packages import unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from shared.domain.topology import EventSubscription
    from tests.sources import Sources

ATTEMPTS = 2
FAILED = (EventType.TWIN_CHANGES, EventType.DEVICE_DELETED)
TWIN_CHANGES, LIFECYCLE = (
    each for each in EVENT_SUBSCRIPTIONS if each.name in ("twin-changes", "device-lifecycle")
)


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Stack]:
    """A stack of one's own, whose storage a test may damage."""
    with start(tmp_path / "stack") as running:
        yield running


@pytest.fixture
async def product(broken: Stack, sources: Sources, tmp_path: Path) -> AsyncIterator[Product]:
    async with Rest(broken) as rest:
        yield Product(broken, rest, sources, tmp_path)


class Grid:
    """Event Grid as its operator sees it."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._session = session
        text = (Path(stack.state) / "credentials.json").read_bytes()
        self._credentials = msgspec.json.decode(text, type=Credentials)

    async def subscribe(
        self, subscription: EventSubscription, function: str | None = None, **changes: Any
    ) -> tuple[int, Any]:
        """Put a subscription of the service anew, leading to another function if asked."""
        endpoint = webhook(self._stack.endpoint, subscription, self._credentials)
        endpoint = endpoint.replace(subscription.function, function or subscription.function)
        body = subscription_body(subscription, endpoint) | changes
        url = f"{self._stack.event_grid_endpoint}/admin/subscriptions/{subscription.name}"
        async with self._session.put(url, json=body, headers=self._key) as response:
            return response.status, await response.json()

    async def total(self, counter: str) -> int:
        """The sum of a counter over the subscriptions to devices' events."""
        url = f"{self._stack.event_grid_endpoint}/admin/subscriptions"
        async with self._session.get(url, headers=self._key) as response:
            found: Sequence[Mapping[str, Any]] = (await response.json())["value"]
        names = (TWIN_CHANGES.name, LIFECYCLE.name)
        return sum(each[counter] for each in found if each["name"] in names)

    async def publish(self, kind: str) -> None:
        """Publish an event of some type to the topic of the service."""
        event = {
            "specversion": "1.0",
            "id": unique("event"),
            "source": "elsewhere",
            "type": kind,
            "subject": "devices",
            "data": {},
        }
        async with self._session.post(
            self._stack.event_grid_topic_endpoint,
            data=json.dumps([event]),
            headers={
                "aeg-sas-key": self._stack.event_grid_topic_key,
                "Content-Type": "application/cloudevents-batch+json",
            },
        ) as response:
            assert response.status == 200, await response.text()

    @property
    def _key(self) -> dict[str, str]:
        return {"aeg-admin-key": self._stack.event_grid_admin_key}


@pytest.fixture
async def grid(broken: Stack) -> AsyncIterator[Grid]:
    context = ssl.create_default_context(cafile=broken.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Grid(broken, session)


async def poison(product: Product, *arguments: str) -> list[dict[str, Any]]:
    """What a command about what failed for good prints."""
    argv = [sys.executable, "-P", "-m", "local.cli", "poison", *arguments]
    argv += ["--queue", "events", "--json", "--state", product.stack.state]
    process = await asyncio.create_subprocess_exec(
        *argv, env=import_path(), stdin=DEVNULL, stdout=PIPE
    )
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in stdout.splitlines()]


async def test_events_are_filtered_retried_given_up_listed_and_replayed(
    product: Product, grid: Grid
) -> None:
    model = unique("model")
    refused, answer = await grid.subscribe(TWIN_CHANGES, "no_such_function")
    assert refused == 400
    assert answer["error"]["code"] == "EndpointValidationFailed"
    for subscription in (TWIN_CHANGES, LIFECYCLE):
        taken, _ = await grid.subscribe(subscription, maxDeliveryAttempts=ATTEMPTS)
        assert taken == 200
    await grid.publish("Somebody.Else")
    assert await grid.total("pending") == 0

    connection = product.stack.storage_connection_string
    async with TableServiceClient.from_connection_string(connection) as tables:
        await tables.delete_table("Devices")
        await come_and_go(product, f"{model}-gone")
        async with product.fleet(None, model):

            async def are_given_up() -> list[dict[str, Any]]:
                assert await grid.total("pending") == 0
                letters = await poison(product, "list")
                assert len(letters) == await grid.total("deadLettered")
                assert len({letter["what"] for letter in letters}) == len(FAILED)
                return letters

            letters = await product.eventually(are_given_up)
            await tables.create_table("Devices")

    assert {letter["what"] for letter in letters} == {
        f"deliver the event {kind}" for kind in FAILED
    }
    assert [letter["about"]["deviceId"] for letter in letters if "deviceId" in letter["about"]] == [
        f"{model}-gone"
    ]
    assert {letter["reason"] for letter in letters} == {
        f"MaxDeliveryAttemptsExceeded after {ATTEMPTS} attempts: GenericError"
    }
    assert await grid.total("failed") == ATTEMPTS * len(letters)

    (replayed,) = await poison(product, "replay")

    assert replayed == {"place": "events", "replayed": len(letters), "dropped": 0}

    async def is_known() -> None:
        devices = (await product.rest.get("management/devices"))["value"]
        assert [each["deviceId"] for each in devices] == [f"{model}-0"]
        assert await poison(product, "list") == []
        assert await product.storage.messages() == {}

    await product.eventually(is_known)


async def come_and_go(product: Product, device_id: str) -> None:
    """Create a device and delete it."""
    hub, key = product.hub(), base64.b64encode(b"k" * 32).decode()
    await asyncio.to_thread(hub.create_device_with_sas, device_id, key, key, "enabled")
    await asyncio.to_thread(hub.delete_device, device_id)
