"""What the running product does about malware, before and after it was published."""

from __future__ import annotations

import json
import ssl
import uuid
from typing import TYPE_CHECKING, Any

import aiohttp

from odu_cli.rest import deployment_path
from shared.adapters.scanning.rules import BUILT_IN, rule_sources
from shared.services.scanning.rules import RULES, STATUS
from shared.topology import EventType
from tests.builders.cli import done, odu, words
from tests.packages import make_package, unique
from tests.unit.scanning.archives import EVIL, a_deb, a_tar, a_zip, zstd

if TYPE_CHECKING:
    from tests.product import Product

SHIPPED = "\n".join(rule_sources((BUILT_IN,)))


async def test_malware_is_refused_wherever_it_is_packed(product: Product) -> None:
    deb = a_deb(zstd(a_tar({"opt/tools.zip": a_zip({"bin/evil": EVIL})})), "data.tar.zst")
    package = make_package(unique("model"), files={"tools.deb": deb})

    ended = await product.import_items(product.sources.offer(package))

    place = "tools.deb!data.tar.zst!data!opt/tools.zip!bin/evil"
    assert ended["status"] == "Failed"
    assert ended["error"]["innererror"]["code"] == "SourceFileMalwareDetected"
    assert f"'{place}': EICAR_Test_File" in ended["error"]["message"]
    assert (await product.error_of(package.path)).status == 404


async def test_update_that_new_rules_find_bad_is_recalled(product: Product) -> None:
    group, model, marker = unique("group"), unique("model"), unique("worm")
    package = make_package(model, files={"install.sh": f"#!/bin/sh\n# {marker}\n".encode()})
    await product.publish(package)
    rule = f'rule Late {{ strings: $a = "{marker}" condition: $a }}'
    slow = {"delaySeconds": {"install": 30.0}}

    async with product.fleet(group, model, 1, **slow):
        await product.seen(group, 1)
        await product.rest.deploy(group, package.update_id, "d1")
        await product.until_counts(group, "d1", in_progress=1)
        try:
            await refused_rules(product)
            await product.storage.put_blob("rules", RULES, f"{SHIPPED}\n{rule}".encode())
            ended = await done(product, "update", "rescan")
            assert ended["status"] == "Succeeded"

            await product.until_counts(group, "d1", canceled=1)
            again = await product.error_of(
                deployment_path(group, "d2"),
                "PUT",
                {
                    "deploymentId": "d2",
                    "groupId": group,
                    "startDateTime": "2020-01-01T00:00:00Z",
                    "update": {"updateId": package.update_id},
                },
            )
        finally:
            await product.storage.delete_blob("rules", RULES)

    update: Any = await product.rest.get(package.path)
    assert (again.status, again.error["code"]) == (409, "UpdateRecalled")
    assert update["isDeployable"] is False
    assert "Late (yara-x" in update["recall"]["reason"]
    deployment = await product.rest.get(deployment_path(group, "d1"))
    assert (deployment["isCanceled"], deployment["recallReason"]) == (
        True,
        update["recall"]["reason"],
    )
    best = await product.rest.get(f"management/groups/{group}/bestUpdates")
    assert best["value"] == []
    shown = (await odu(product, "update", "show", words(package.update_id))).stdout
    assert "recalled" in shown
    assert "Malicious" in shown


async def refused_rules(product: Product) -> None:
    """Rules that do not compile are refused, with the reason, and change nothing."""
    await product.storage.put_blob("rules", RULES, b"rule Broken {")

    await product.publish(make_package(unique("model")))

    status = json.loads(await product.storage.read_blob("rules", STATUS))
    assert status["status"] == "refused"
    assert "syntax error" in status["reason"]


async def test_result_of_defender_reaches_the_import_that_it_is_about(product: Product) -> None:
    """Through the topic, its subscription and the webhook of the host."""
    item = product.sources.offer(make_package(unique("model")))
    gate = product.sources.hold(item["files"][0]["url"])
    location = await product.rest.import_update([item])
    await gate.asked.wait()
    operation = (await product.rest.get(location))["operationId"]
    prefix = f"{product.stack.instance}/{operation}/"
    account = product.storage.blob_endpoint
    for file, etag in (("0/0", "0x1"), ("0/0", "0x1"), ("0/manifest.json", "0x2")):
        await publish_result(product, f"{account}/quarantine/{prefix}{file}", etag)
    await publish_result(product, f"{account}/content/{prefix}0/0", "0x3")

    async def look() -> list[str]:
        found = await product.storage.blobs("quarantine", f"{prefix}defender/")
        assert found
        return found

    kept = await product.eventually(look)
    gate.opened.set()
    ended = await product.ended(location)

    assert kept == [f"{prefix}defender/0/0/0x1/clean.json"]
    assert ended["status"] == "Succeeded"
    await product.unquarantined(operation)


async def publish_result(product: Product, uri: str, etag: str) -> None:
    stack = product.stack
    event = {
        "id": uuid.uuid4().hex,
        "subject": uri,
        "eventType": EventType.MALWARE_SCANNED.value,
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {
            "blobUri": uri,
            "eTag": etag,
            "scanResultType": "No threats found",
            "scanResultDetails": None,
        },
        "dataVersion": "1.0",
    }
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with (
        aiohttp.ClientSession(headers={"aeg-sas-key": stack.event_grid_topic_key}) as session,
        session.post(
            f"{stack.event_grid_endpoint}/topics/defender/api/events", json=[event], ssl=context
        ) as response,
    ):
        assert response.status == 200, await response.text()


async def test_operator_recalls_an_update(product: Product) -> None:
    package = make_package(unique("model"))
    await product.publish(package)
    name = words(package.update_id)

    recalled = await done(product, "update", "recall", name, "--reason", "burns flash", "--yes")
    files = (await product.rest.get(f"{package.path}/files"))["value"]
    file = await product.rest.get(f"{package.path}/files/{files[0]}")

    assert recalled["recall"]["reason"] == "burns flash"
    (verdict,) = file["scanVerdicts"]
    assert (verdict["engine"], verdict["result"]) == ("yara-x", "Success")
    assert verdict["membersScanned"] == 1
    nobody = await odu(product, "update", "recall", "a/b/1.0", "--reason", "x", "--yes")
    assert nobody.code != 0
