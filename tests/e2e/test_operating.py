"""What an operator can ask the running service about itself."""

from __future__ import annotations

import base64
import json
import ssl
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueServiceClient

from local.cloud.identity.tokens import mint
from odu_cli.rest import path
from shared.contract.audit_chain import entry_hash
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.stack.running import Stack
    from tests.product import Product


async def fetched(stack: Stack, path: str, token: str | None = None) -> tuple[int, Any]:
    trust = ssl.create_default_context(cafile=stack.ca_file)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
        session.get(f"{stack.endpoint}/{path}", headers=headers) as response,
    ):
        return response.status, json.loads(await response.read())


async def audited(product: Product, text: str) -> list[Any]:
    """Entries of the audit log, the newest first."""
    return [item async for item in product.rest.items(path("audit", filter=text))]


async def test_probes_answer_without_a_token(stack: Stack) -> None:
    for probe in ("health/live", "health/ready", "health"):
        status, body = await fetched(stack, probe)
        assert (status, body["status"]) == (HTTPStatus.OK, "Healthy")


async def test_me_tells_the_instances_of_the_caller(stack: Stack) -> None:
    status, body = await fetched(stack, "deviceUpdate/me?api-version=2022-10-01", stack.token())

    assert status == HTTPStatus.OK
    assert {item["id"] for item in body["instances"]} == {stack.instance, "second"}
    assert "operations/write" in body["instances"][0]["actions"]


async def test_health_has_every_dependency_and_the_lag_of_events(product: Product) -> None:
    model, group = unique("model"), unique("group")
    async with product.fleet(group, model):
        await product.seen(group, 1)

    found = await product.rest.get("operations/health")

    assert found["status"] == "Healthy", found
    assert {item["name"] for item in found["dependencies"]} == {
        "tables",
        "queues",
        "blobs",
        "keyring",
        f"hub:{product.stack.instance}",
        "hub:second",
    }
    assert found["eventLagSeconds"] >= 0
    assert found["version"]


async def test_configuration_is_shown_without_secrets(product: Product) -> None:
    settings = await product.rest.get("management/settings")
    scanners = await product.rest.get("management/scanners")
    keys = await product.rest.get("management/keys")

    assert settings["limits"]["deploymentsPerGroup"] > 0
    assert settings["retentionDays"]["audit"] == 730
    assert "Key" not in json.dumps(settings)
    assert [item["engine"] for item in scanners["value"]] == ["yara-x"]
    assert scanners["value"][0]["rulesVersion"]
    assert [item["isCurrent"] for item in keys["value"]].count(True) == 1


async def test_a_deployment_is_in_the_audit_log_with_its_states(product: Product) -> None:
    model, group = unique("model"), unique("group")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        deployment = await product.rest.deploy(group, package.update_id)
    place = f"management/groups/{group}/deployments/{deployment}"
    await product.rest.request("DELETE", place)
    refused = await product.error_of(place, method="DELETE")

    entries = await audited(product, f"target eq '{place}'")

    assert refused.status == HTTPStatus.NOT_FOUND
    assert [(item["action"], item["result"]) for item in entries] == [
        ("delete_deployment", "NotFound"),
        ("delete_deployment", "Succeeded"),
        ("create_or_update_deployment", "Succeeded"),
    ]
    _, deleted, created = entries
    assert "before" not in created
    assert created["after"]["deploymentId"] == deployment
    assert deleted["before"]["deploymentId"] == deployment
    assert all(entry_hash(item) == item["hash"] for item in entries)
    assert await product.rest.get(f"audit/{created['id']}") == created


async def test_no_signature_of_an_import_gets_into_the_audit_log(product: Product) -> None:
    package = make_package(unique("model"))
    await product.publish(package)

    entries = await audited(product, "action eq 'import_update'")

    asked = [item["request"] for item in entries if "request" in item]  # not what was refused
    assert asked
    assert all("?" not in json.dumps(request) for request in asked)


async def test_the_audit_log_is_proved(product: Product) -> None:
    proof = await product.rest.get("audit:verify")

    assert proof["isIntact"], proof


async def test_failed_messages_are_seen_and_discarded_by_an_administrator(
    product: Product, stack: Stack
) -> None:
    group = unique("group")
    body = {"instance": stack.instance, "group": group, "deployment": "none"}
    foreign = {**body, "instance": "second"}
    queue = "logs-poison"
    for each in (body, foreign):
        text = base64.b64encode(json.dumps(each).encode()).decode()
        await put(product, queue, text)

    async def about() -> list[Mapping[str, Any]]:
        listed = await product.rest.get("operations/poison?queue=logs")
        return [item for item in listed["value"] if item["about"].get("group") == group]

    async def look() -> list[Mapping[str, Any]]:
        found = await about()
        assert found
        return found

    (item,) = await product.eventually(look)
    assert item["about"]["instance"] == stack.instance

    async def told() -> None:
        items = (await product.rest.get("management/attention"))["value"]
        found = {(each["cause"], each.get("subject")): each.get("count", 0) for each in items}
        assert found.get(("FailedForGood", "logs"), 0) >= 1

    await product.eventually(told)
    _, done = await product.rest.request("DELETE", f"operations/poison/logs/{item['id']}")
    assert done["value"] == [{"queue": "logs", "replayedCount": 0, "discardedCount": 1}]
    assert await about() == []
    queues = await product.rest.get("operations/queues")
    assert {item["queue"] for item in queues["value"]} >= {"import", "logs", "blobs"}


async def put(product: Product, queue: str, text: str) -> None:
    connection = product.stack.storage_connection_string
    async with QueueServiceClient.from_connection_string(connection) as service:
        with suppress(ResourceExistsError):
            await service.create_queue(queue)
        await service.get_queue_client(queue).send_message(text)


async def test_queues_are_for_administrators_alone(stack: Stack) -> None:
    token = mint(
        Path(stack.state) / "identity",
        issuer=stack.token_issuer,
        audience=stack.token_audience,
        tenant=stack.token_tenant,
        roles=["DeviceUpdateReader"],
        subject="reader",
    )
    for resource in ("operations/queues", "operations/poison", "operations/health"):
        address = f"deviceUpdate/{stack.instance}/{resource}?api-version=2022-10-01"
        status, _ = await fetched(stack, address, token)
        assert status == HTTPStatus.FORBIDDEN
