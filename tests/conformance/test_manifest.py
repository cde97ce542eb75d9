"""What the service puts into real twins, checked against the protocol by code of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

from tests.conformance.agents import both_agents
from tests.conformance.verifier import Roots, built_in_roots, check_package, check_signature
from tests.packages import file_entry, inline_step, make_package, unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from local.stack.running import Stack
    from tests.product import Product

MAX_STRING_BYTES = 4096
MAX_DESIRED_BYTES = 32 * 1024
PROCESS, CANCEL = 3, 255


@pytest.fixture
def roots(stack: Stack) -> Roots:
    return built_in_roots(Path(stack.roots_file).read_text())


@pytest.fixture
async def web(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield session


async def fetched(web: aiohttp.ClientSession, url: str) -> bytes:
    async with web.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for text in strings(list(item))]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else []


def within_limits(desired: Mapping[str, Any]) -> None:
    """The limits of a twin, of which the service must make do with less than all."""
    bare = {name: part for name, part in desired.items() if not name.startswith("$")}
    assert len(json.dumps(bare, separators=(",", ":")).encode()) <= MAX_DESIRED_BYTES
    assert max(len(text.encode()) for text in strings(bare)) <= MAX_STRING_BYTES


async def check_command(
    service: Mapping[str, Any], roots: Roots, web: aiohttp.ClientSession
) -> dict[str, Any]:
    """Everything an agent checks before it begins; the manifest, read from its file if detached."""
    assert service["workflow"]["action"] == PROCESS
    assert service["workflow"]["id"]
    assert service["rootKeyPackageUrl"].rpartition("/")[2]
    check_package(await fetched(web, service["rootKeyPackageUrl"]), roots)
    text = service["updateManifest"]
    check_signature(text, service["updateManifestSignature"], roots)
    manifest: dict[str, Any] = json.loads(text)
    assert manifest["manifestVersion"].partition(".")[0] in ("4", "5")
    if "detachedManifestFileId" in manifest:
        content = await check_file(manifest, manifest["detachedManifestFileId"], service, web)
        manifest = json.loads(json.loads(content)["updateManifest"])
    return manifest


async def check_file(
    manifest: Mapping[str, Any],
    file_id: str,
    service: Mapping[str, Any],
    web: aiohttp.ClientSession,
) -> bytes:
    """The content of a file, which must be what the manifest says."""
    entry = manifest["files"][file_id]
    content = await fetched(web, service["fileUrls"][file_id])
    assert len(content) == entry["sizeInBytes"]
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert next(iter(entry["hashes"].items())) == ("sha256", digest)
    return content


async def test_twin_holds_a_command_that_an_agent_can_trust(
    product: Product, roots: Roots, web: aiohttp.ClientSession
) -> None:
    group, model = unique("group"), unique("model")
    files = {"run.sh": b"#!/bin/sh\n", "data.bin": unique("content").encode()}
    package = make_package(model, files=files)
    await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=1)

        twin = await product.twin(f"{model}-0")

    desired = twin.properties.desired
    within_limits(desired)
    assert desired["deviceUpdate"]["__t"] == "c"
    service = desired["deviceUpdate"]["service"]
    manifest = await check_command(service, roots, web)
    assert manifest["updateId"] == package.update_id
    assert manifest["compatibility"] == package.document["compatibility"]
    (step,) = manifest["instructions"]["steps"]
    assert step["handler"] == "microsoft/script:1"
    assert step["handlerProperties"]["scriptFileName"] == "run.sh"
    assert set(step["files"]) == set(manifest["files"]) == set(service["fileUrls"])
    contents = {
        manifest["files"][file_id]["fileName"]: await check_file(manifest, file_id, service, web)
        for file_id in step["files"]
    }
    assert contents == files


async def test_signature_in_the_twin_is_one_that_joserfc_accepts(
    product: Product, roots: Roots
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=1)
        service = await product.service_of(f"{model}-0")
    registry = jws.JWSRegistry(
        header_registry={"sjwk": HeaderParameter("Signed JSON Web Key", "str")},
        algorithms=["RS256"],
    )
    registry.max_header_length = 8192
    pem, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    signature = service["updateManifestSignature"]

    header = json.loads(base64.urlsafe_b64decode(signature.partition(".")[0] + "=="))
    outer = json.loads(base64.urlsafe_b64decode(header["sjwk"].partition(".")[0] + "=="))
    root = RSAKey.import_key(roots[outer["kid"]].public_bytes(pem, public))
    jwk = json.loads(jws.deserialize_compact(header["sjwk"], root, registry=registry).payload)
    modulus = base64.urlsafe_b64encode(base64.b64decode(jwk["n"])).rstrip(b"=").decode()
    key = RSAKey.import_key({"kty": "RSA", "n": modulus, "e": jwk["e"]})
    payload = json.loads(jws.deserialize_compact(signature, key, registry=registry).payload)

    digest = hashlib.sha256(service["updateManifest"].encode()).digest()
    assert payload == {"sha256": base64.b64encode(digest).decode()}


async def test_twin_loses_the_links_of_an_update_when_another_follows(
    product: Product, roots: Roots, web: aiohttp.ClientSession
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    first = make_package(model, name=name, files={"old.bin": unique("old").encode()})
    second = make_package(
        model, name=name, version="2.0", files={"new.bin": unique("new").encode()}
    )
    await product.publish(first)
    await product.publish(second)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        before = await product.rest.deploy(group, first.update_id)
        await product.until_counts(group, before, succeeded=1)
        old = await product.service_of(f"{model}-0")
        after = await product.rest.deploy(group, second.update_id)
        await product.until_counts(group, after, succeeded=1)
        new = await product.service_of(f"{model}-0")

    manifest = await check_command(new, roots, web)
    assert manifest["updateId"] == second.update_id
    assert set(new["fileUrls"]) == set(manifest["files"])
    assert not set(new["fileUrls"]) & set(old["fileUrls"])
    assert new["workflow"]["id"] != old["workflow"]["id"]


async def test_twin_holds_nothing_but_the_cancel_when_a_deployment_is_cancelled(
    product: Product, roots: Roots, web: aiohttp.ClientSession
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 1, delaySeconds={"install": 60}):
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, in_progress=1)
        asked = await product.service_of(f"{model}-0")
        where = f"management/groups/{group}/deviceClassSubgroups/{class_id}/deployments"
        await product.rest.request("POST", f"{where}/{identity}:cancel")
        await product.until_counts(group, identity, canceled=1)

        service = await product.service_of(f"{model}-0")

    assert service == {
        "workflow": {"action": CANCEL, "id": asked["workflow"]["id"]},
        "rootKeyPackageUrl": asked["rootKeyPackageUrl"],
    }
    check_package(await fetched(web, service["rootKeyPackageUrl"]), roots)


async def test_manifest_travels_detached_and_installs_when_it_is_too_long_for_a_twin(
    product: Product, roots: Roots, web: aiohttp.ClientSession
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    files = {f"{'part' * 40}-{number}.bin": f"{name} {number}".encode() for number in range(10)}
    steps = [inline_step(file, criteria=f"{name} {'x' * 400}") for file in files]
    package = make_package(model, name=name, files=files, instructions={"steps": steps})
    await product.publish(package)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=2)
        twin = await product.twin(f"{model}-0")

    within_limits(twin.properties.desired)
    service = twin.properties.desired["deviceUpdate"]["service"]
    assert "detachedManifestFileId" in json.loads(service["updateManifest"])
    manifest = await check_command(service, roots, web)
    assert len(json.dumps(manifest, separators=(",", ":")).encode()) > MAX_STRING_BYTES
    assert manifest["updateId"] == package.update_id
    assert len(manifest["instructions"]["steps"]) == len(files)
    for file_id in manifest["files"]:
        await check_file(manifest, file_id, service, web)


@both_agents
async def test_child_update_is_installed_through_its_parent(
    product: Product, roots: Roots, web: aiohttp.ClientSession
) -> None:
    group, model = unique("group"), unique("model")
    content = {"child.bin": unique("c").encode()}
    child = make_package(unique("part"), isDeployable=False, files=content)
    own = {"parent.sh": unique("p").encode()}
    parent = make_package(
        model,
        files=own,
        instructions={
            "steps": [
                {"type": "reference", "updateId": child.update_id},
                inline_step("parent.sh", criteria="parent"),
            ]
        },
    )
    assert parent.document["files"] == [file_entry(*item) for item in own.items()]
    await product.publish(parent, child)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, parent.update_id)
        await product.until_counts(group, identity, succeeded=1)
        service = await product.service_of(f"{model}-0")
        agent = await product.agent_of(f"{model}-0")

    manifest = await check_command(service, roots, web)
    reference, inline = manifest["instructions"]["steps"]
    assert reference["type"] == "reference"
    assert inline["files"]
    content = await check_file(manifest, reference["detachedManifestFileId"], service, web)
    nested = json.loads(json.loads(content)["updateManifest"])
    assert nested["updateId"] == child.update_id
    for file_id in nested["files"]:
        assert await check_file(nested, file_id, service, web) == child.files["child.bin"]
    assert json.loads(agent["installedUpdateId"]) == parent.update_id
    if product.agent == "odu":
        assert set(agent["lastInstallResult"]["stepResults"]) == {"step_0", "step_1"}
