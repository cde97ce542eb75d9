"""Two instances of one service: nothing of one is read, listed, changed or guessed from another."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from base64 import b64encode
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from yarl import URL

from functions.resources import routes
from local.rest import Rest
from shared.contract.diagnostics import DIAGNOSTIC_INFORMATION, SAS_URL, SERVICE
from shared.domain.access import Action
from shared.messages import FetchImport, encode
from tests.builders.bodies import BODIES, QUEUE, body_of
from tests.conftest import SECOND
from tests.packages import Package, make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from shared.http.route import Route
    from tests.sources import Sources


GIVEN = "a name that was given"
"""Stands in answers for every name of the question; others may have used signs as names."""
SHARED = {"version", "moduleId", "queue"}
"""Names that are not of the other instance alone."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One of everything in the second instance, and its names by path parameter."""

    product: Product
    package: Package
    names: dict[str, str]
    content_link: str
    log_link: str

    async def state(self) -> str:
        """Everything that the operations below could have changed."""
        names = self.names
        group = f"management/groups/{names['groupId']}"
        paths = [
            self.package.path,
            f"management/devices/{names['deviceId']}",
            f"management/deviceClasses/{names['deviceClassId']}",
            group,
            f"{group}/deployments/{names['deploymentId']}",
            f"{group}/deployments/{names['deploymentId']}/status",
            f"management/devices/{names['deviceId']}/orders",
            "management/deviceDiagnostics/logCollections",
            "updates/operations",
            "operations/poison",
        ]
        found = [await self.product.rest.get(path) for path in paths]
        # the one of the fixture goes on
        readings = (await self.product.rest.get("management/operations"))["value"]
        found.append([operation["operationId"] for operation in readings])
        return json.dumps(found, indent=1)


@pytest.fixture
async def elsewhere(
    stack: Stack, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Elsewhere]:
    there = stack.of(SECOND)
    group, model, logs = unique("group"), unique("model"), unique("logs")
    update_id = {"provider": unique("provider"), "name": unique("update"), "version": "1.0"}
    package = make_package(model, name=update_id["name"], updateId=update_id)
    async with Rest(there) as rest:
        product = Product(there, rest, sources, tmp_path_factory.mktemp("devices"))
        operation = await product.publish(package)
        device = f"{model}-0"
        async with product.fleet(group, model):
            await product.seen(group, 1)
            deployment = await rest.deploy(group, package.update_id)
            await product.until_counts(group, deployment, succeeded=1)
            path = f"management/deviceDiagnostics/logCollections/{logs}"
            await rest.request("PUT", path, {"deviceList": [{"deviceId": device}]})

            async def collected() -> None:
                assert (await rest.get(path))["status"] == "Succeeded"

            await product.eventually(collected)
            desired = (await product.twin(device)).properties.desired
        own = f"management/devices/{device}/deployments/{deployment}"
        later = {"update": {"updateId": package.update_id}, "startDateTime": "2099-01-01T00:00:00Z"}
        await rest.request("PUT", own, later)
        (file_id,) = (await rest.get(f"{package.path}/files"))["value"]
        upload = (await rest.request("POST", "uploads", {"files": [{"name": "a.bin"}]}))[1]
        reading, _ = await rest.request("POST", "management/devices:import", "Devices")
        async with failed_for_good(product, operation["operationId"]) as message:
            yield Elsewhere(
                product=product,
                package=package,
                names={
                    **package.update_id,
                    "fileId": file_id,
                    "operationId": operation["operationId"],
                    "groupId": group,
                    "deviceId": device,
                    "moduleId": "module",
                    "deviceClassId": await product.class_of(device),
                    "deploymentId": deployment,
                    "entryId": (await rest.get("audit"))["value"][0]["id"],
                    "uploadId": upload["uploadId"],
                    "queue": QUEUE,
                    "messageId": message,
                    "logs": logs,
                    "reading": reading["Operation-Location"].partition("?")[0].rpartition("/")[2],
                },
                content_link=next(iter(desired["deviceUpdate"]["service"]["fileUrls"].values())),
                log_link=desired[DIAGNOSTIC_INFORMATION][SERVICE][SAS_URL],
            )


@asynccontextmanager
async def failed_for_good(product: Product, operation: str) -> AsyncIterator[str]:
    """A failed message about the instance while the block lasts; its id."""
    message = FetchImport(instance=SECOND, operation=operation)
    await product.storage.put_message(f"{QUEUE}-poison", b64encode(encode(message)).decode())
    found = (await product.rest.get(f"operations/poison?queue={QUEUE}"))["value"]
    (identity,) = [item["id"] for item in found if item["about"].get("operation") == operation]
    yield identity
    await product.rest.request("DELETE", f"operations/poison/{QUEUE}/{identity}")


def address(route: Route, names: dict[str, str], instance: str) -> str:
    """An address with some names in it."""
    given = {**names, "instanceId": instance}
    if "logCollections" in route.path:
        given["operationId"] = names["logs"]
    if route.path.startswith("management/operations"):
        given["operationId"] = names["reading"]
    below = re.sub(
        r"\{(\w+)\}", lambda found: quote(given.get(found[1], "other"), safe=""), route.path
    )
    if route.name == "list_health_of_devices":
        below += f"?filter=deviceId%20eq%20'{names['deviceId']}'"
    if any(item.name == "q" for item in route.query):
        below += f"?q={names['deviceId']}"
    separator = "&" if "?" in below else "?"
    return f"/deviceUpdate/{instance}/{below}{separator}api-version=2022-10-01"


@pytest.fixture(scope="module")
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=stack.ca_file)
    connector = aiohttp.TCPConnector(ssl=context, limit=16)
    async with aiohttp.ClientSession(stack.endpoint, connector=connector) as session:
        yield session


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody with a token who knows or guesses names."""

    http: aiohttp.ClientSession
    token: str

    async def learns(self, route: Route, names: dict[str, str], instance: str) -> tuple[int, str]:
        """Status and body of an answer, without the names that were given and the time."""
        kind = "merge-patch+json" if route.method == "PATCH" else "json"
        body = body_of(route, names)
        headers = {
            "Authorization": f"Bearer {self.token}",
            **({} if body is None else {"Content-Type": f"application/{kind}"}),
        }
        async with self.http.request(
            route.method,
            URL(address(route, names, instance), encoded=True),
            data=None if body is None else json.dumps(body),
            headers=headers,
        ) as response:
            text = re.sub(r'"(occurredDateTime|asOf)":"[^"]+"', "", await response.text())
            for name in sorted(names.values(), key=len, reverse=True):
                text = text.replace(name, GIVEN)
            return response.status, text


def tells_attempts(route: Route) -> bool:
    """Whether it reads the instance's own log of what was tried, with the names that were given."""
    return route.action is Action.AUDIT_READ


def status_for_unknown(route: Route) -> int:
    """The one status for names that the instance does not know: what is declared."""
    return 404 if HTTPStatus.NOT_FOUND in route.statuses else 200


def test_every_operation_with_a_body_is_asked_with_one_that_fits() -> None:
    takers = {route.name: route for route in routes() if route.body is not None}
    assert BODIES.keys() == takers.keys()
    names: dict[str, str] = defaultdict(lambda: "1.0")
    for name, body in BODIES.items():
        msgspec.convert(body(names), takers[name].body)


async def test_foreign_and_missing_things_are_answered_alike_by_every_operation(
    stack: Stack, http: aiohttp.ClientSession, elsewhere: Elsewhere
) -> None:
    administrator = Asker(http, stack.token())
    invented = {
        name: value if name == "queue" else value[::-1] for name, value in elsewhere.names.items()
    }
    own = {name: elsewhere.names[name] for name in elsewhere.names.keys() - SHARED}
    before = await elsewhere.state()
    wrong = []

    for route in routes():
        if not route.is_of_instance or tells_attempts(route):
            continue
        if "{" in route.path:
            foreign = await administrator.learns(route, elsewhere.names, stack.instance)
            missing = await administrator.learns(route, invented, stack.instance)
            if foreign != missing or foreign[0] != status_for_unknown(route):
                wrong.append((route.name, foreign, missing))
        elif route.method == "GET":
            status, text = await administrator.learns(route, own, stack.instance)
            if status != 200 or GIVEN in text:
                wrong.append((route.name, status, text))

    assert not wrong
    assert await elsewhere.state() == before


async def test_audit_entry_of_another_instance_is_not_read_by_its_id(
    product: Product, elsewhere: Elsewhere
) -> None:
    path = f"audit/{elsewhere.names['entryId']}"
    theirs = await elsewhere.product.rest.get(path)
    number = theirs["number"]
    here = [item async for item in product.rest.items("audit")]

    # numbers are counted in each instance
    assert theirs not in here
    if number in {item["number"] for item in here}:
        assert await product.rest.get(path) != theirs
    else:
        assert (await product.error_of(path)).status == 404


async def test_role_on_one_instance_shows_nothing_of_another_not_even_that_it_is_there(
    stack: Stack, http: aiohttp.ClientSession, elsewhere: Elsewhere
) -> None:
    here = Asker(http, stack.token("Administrator", instance=stack.instance))
    there = Asker(http, stack.token("Administrator", instance=SECOND))
    of_instances = [route for route in routes() if route.is_of_instance]

    for route in of_instances:
        status, text = await here.learns(route, elsewhere.names, SECOND)
        other_status, other_text = await here.learns(route, elsewhere.names, SECOND[::-1])
        assert (status, other_status) == (403, 403), route.name
        assert text.replace(SECOND, GIVEN) == other_text.replace(SECOND[::-1], GIVEN)
    wrong = []
    for route in of_instances:
        if route.method == "GET":
            status, text = await there.learns(route, elsewhere.names, SECOND)
            # it has one of everything but a module, and a device operation that is no export
            is_lacking = "{moduleId}" in route.path or route.name == "get_exported_file"
            expected = status_for_unknown(route) if is_lacking else 200
            if status != expected:
                wrong.append((route.name, status, text))
    assert not wrong


async def test_devices_of_one_name_in_two_instances_are_two_devices(
    product: Product, elsewhere: Elsewhere
) -> None:
    device, group = elsewhere.names["deviceId"], unique("group")
    before = await elsewhere.state()

    async with product.fleet(group, device.removesuffix("-0")):
        await product.seen(group, 1)
        package = make_package(device.removesuffix("-0"), name=elsewhere.package.update_id["name"])
        await product.publish(package)
        deployment = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1)

    assert (await product.rest.get(f"management/devices/{device}"))["groupId"] == group
    assert await elsewhere.state() == before


async def test_links_open_nothing_of_another_instance(
    product: Product, stack: Stack, elsewhere: Elsewhere
) -> None:
    package = make_package(unique("model"))
    await product.publish(package)
    digest = hashlib.sha256(next(iter(package.files.values()))).hexdigest()
    link, query = elsewhere.content_link.split("?")
    assert f"/content/{SECOND}/" in link
    own = re.sub(f"/content/{SECOND}/.*", f"/content/{stack.instance}/{digest}", link)
    container, right = elsewhere.log_link.split("?")
    assert container.endswith(f"/diagnostics-{SECOND}")

    async with aiohttp.ClientSession() as session:

        async def status(method: str, url: str, query: str) -> int:
            headers = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {}
            async with session.request(
                method, URL(f"{url}?{query}", encoded=True), headers=headers
            ) as response:
                return response.status

        assert await status("GET", link, query) == 200
        assert await status("GET", own, query) == 403
        assert await status("PUT", f"{container}/some/name", right) == 201
        assert await status("PUT", f"{container.removesuffix(f'-{SECOND}')}/some", right) == 403
        assert await status("GET", f"{container}/some/name", right) == 403
    collected = f"{elsewhere.names['deviceId']}/{elsewhere.names['logs']}"
    assert await product.storage.blobs(f"diagnostics-{SECOND}", collected)
    assert not await product.storage.blobs("diagnostics", collected)

    item = product.sources.offer(make_package(unique("model")))
    item["files"][0]["url"] = link
    ended = await product.import_items(item)
    assert ended["error"]["innererror"]["code"] == "ContentFileCannotDownload", ended
