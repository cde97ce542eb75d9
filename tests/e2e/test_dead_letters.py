"""What Event Grid does for the service, and what an operator does about events it gives up."""

from __future__ import annotations

import json
import ssl
import sys
from asyncio import create_subprocess_exec
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
from shared.topology import EVENT_SUBSCRIPTIONS, EventType
from tests.packages import unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from tests.sources import Sources

ATTEMPTS = 2
(TWIN_CHANGES,) = (each for each in EVENT_SUBSCRIPTIONS if each.name == "twin-changes")


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

    async def subscribe(self, function: str, **changes: Any) -> tuple[int, Any]:
        """Put the subscription to twin changes, leading to a function."""
        endpoint = webhook(self._stack.endpoint, TWIN_CHANGES, self._credentials)
        endpoint = endpoint.replace(TWIN_CHANGES.function, function)
        body = subscription_body(TWIN_CHANGES, endpoint) | changes
        url = f"{self._stack.event_grid_endpoint}/admin/subscriptions/{TWIN_CHANGES.name}"
        async with self._session.put(url, json=body, headers=self._key) as response:
            return response.status, await response.json()

    async def counters(self) -> Mapping[str, Any]:
        """The subscription to twin changes with its counters."""
        url = f"{self._stack.event_grid_endpoint}/admin/subscriptions"
        async with self._session.get(url, headers=self._key) as response:
            found: Sequence[Mapping[str, Any]] = (await response.json())["value"]
        return next(each for each in found if each["name"] == TWIN_CHANGES.name)

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
    process = await create_subprocess_exec(*argv, env=import_path(), stdin=DEVNULL, stdout=PIPE)
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    found: list[dict[str, Any]] = json.loads(stdout)
    return found


async def test_events_are_filtered_retried_given_up_listed_and_replayed(
    product: Product, grid: Grid
) -> None:
    model = unique("model")
    refused, answer = await grid.subscribe("no_such_function")
    assert refused == 400
    assert answer["error"]["code"] == "EndpointValidationFailed"
    taken, _ = await grid.subscribe(TWIN_CHANGES.function, maxDeliveryAttempts=ATTEMPTS)
    assert taken == 200
    await grid.publish("Somebody.Else")
    assert (await grid.counters())["pending"] == 0

    connection = product.stack.storage_connection_string
    async with TableServiceClient.from_connection_string(connection) as tables:
        await tables.delete_table("Devices")
        async with product.fleet(None, model):

            async def is_given_up() -> list[dict[str, Any]]:
                counters, letters = await grid.counters(), await poison(product, "list")
                assert counters["pending"] == 0
                assert len(letters) == counters["deadLettered"] > 0
                return letters

            letters = await product.eventually(is_given_up)
            await tables.create_table("Devices")

        assert {letter["work"] for letter in letters} == {
            f"deliver the event {EventType.TWIN_CHANGES}"
        }
        assert {letter["reason"] for letter in letters} == {
            f"MaxDeliveryAttemptsExceeded after {ATTEMPTS} attempts: GenericError"
        }
        assert (await grid.counters())["failed"] == ATTEMPTS * len(letters)

    (replayed,) = await poison(product, "replay")

    assert replayed == {
        "queue": "events",
        "replayedCount": len(letters),
        "discardedCount": 0,
    }

    async def is_known() -> None:
        devices = (await product.rest.get("management/devices"))["value"]
        assert [each["deviceId"] for each in devices] == [f"{model}-0"]
        assert await poison(product, "list") == []

    await product.eventually(is_known)
