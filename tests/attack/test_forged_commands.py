"""Attacks on devices by somebody who may write to twins but does not hold the signing key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders.forged_commands import (
    Service,
    refusal,
    still_installed,
    updated_devices,
)
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.product import Product

WRONG_HASH = "80300001"
WRONG_FILE = "4000000C"
WRONG_HARDWARE = "30400F01"
WRONG_SIGNATURE = "A0200004"


def with_manifest(change: Callable[[str], str]) -> Callable[[Mapping[str, Any]], Service]:
    return lambda service: {**service, "updateManifest": change(service["updateManifest"])}


def flipped(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]


def reordered(text: str) -> str:
    members = list(json.loads(text).items())
    return json.dumps(dict(reversed(members)), separators=(",", ":"))


TAMPERED = {
    "one bit": with_manifest(flipped),
    "white space at the end": with_manifest(lambda text: text + " "),
    "white space within": with_manifest(lambda text: text.replace(":", ": ", 1)),
    "order of members": with_manifest(reordered),
    "other version": with_manifest(lambda text: text.replace('"1.0"', '"9.9"')),
}


async def test_a09_device_refuses_a_manifest_when_a_byte_of_it_differs(product: Product) -> None:
    model = unique("model")
    package = make_package(model)
    async with updated_devices(product, **{model: package}) as (device,):
        service = await product.service_of(device)
        for kind, tamper in TAMPERED.items():
            assert tamper(service) != service
            assert await refusal(product, device, tamper(service)) == WRONG_HASH, kind
        await still_installed(product, device, package)


async def test_a08_device_refuses_a_command_when_it_is_not_signed(product: Product) -> None:
    model = unique("model")
    package = make_package(model)
    async with updated_devices(product, **{model: package}) as (device,):
        service = await product.service_of(device)
        header, payload, signature = service["updateManifestSignature"].split(".")
        for forged in (None, "", f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
            code = await refusal(product, device, {**service, "updateManifestSignature": forged})
            assert code != "00000000", forged
        mixed = f"{header}.{payload}.{signature[::-1]}"
        code = await refusal(product, device, {**service, "updateManifestSignature": mixed})
        assert code == WRONG_SIGNATURE
        await still_installed(product, device, package)


async def test_a03_device_refuses_the_signature_of_another_update(product: Product) -> None:
    first_model, second_model = unique("model"), unique("model")
    first, second = make_package(first_model), make_package(second_model)
    async with updated_devices(product, **{first_model: first, second_model: second}) as found:
        device, other = found
        foreign = await product.service_of(other)
        service = await product.service_of(device)
        mixed = {**service, "updateManifestSignature": foreign["updateManifestSignature"]}

        assert await refusal(product, device, mixed) == WRONG_HASH
        await still_installed(product, device, first)


async def test_a03_device_refuses_content_when_the_links_of_two_files_are_swapped(
    product: Product,
) -> None:
    model, name = unique("model"), unique("update")
    one, two = unique("content").encode(), unique("content").encode()
    first = make_package(model, name=name)
    second = make_package(model, name=name, version="2.0", files={"a.bin": one, "b.bin": two})
    helper = unique("model")
    second.document["compatibility"].append({"manufacturer": "contoso", "model": helper})
    async with updated_devices(product, **{model: first, helper: second}) as found:
        device, other = found
        service = await product.service_of(other)
        ids = list(service["fileUrls"])
        urls = [service["fileUrls"][file_id] for file_id in reversed(ids)]
        swapped = {**service, "fileUrls": dict(zip(ids, urls, strict=True))}

        assert await refusal(product, device, swapped) == WRONG_FILE
        await still_installed(product, device, first)


async def test_a07_device_refuses_a_signed_update_when_it_is_for_other_hardware(
    product: Product,
) -> None:
    toaster, fridge = unique("toaster"), unique("fridge")
    for_toasters, for_fridges = make_package(toaster), make_package(fridge)
    async with updated_devices(product, **{toaster: for_toasters, fridge: for_fridges}) as found:
        device, other = found
        service = await product.service_of(other)

        assert await refusal(product, device, service) == WRONG_HARDWARE
        await still_installed(product, device, for_toasters)


@pytest.mark.parametrize("replayed", ["last", "earlier"])
async def test_a12_replay_of_a_completed_workflow_changes_nothing(
    product: Product, replayed: str
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    first = make_package(model, name=name)
    second = make_package(model, name=name, version="2.0")
    await product.publish(first)
    await product.publish(second)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        device = f"{model}-0"
        commands = {}
        for when, package in (("earlier", first), ("last", second)):
            identity = await product.rest.deploy(group, package.update_id)
            await product.until_counts(group, identity, succeeded=1)
            commands[when] = await product.service_of(device)
        nulls = dict.fromkeys(commands["last"]["fileUrls"])
        urls = {**nulls, **commands[replayed]["fileUrls"]}
        await product.command(device, {**commands[replayed], "fileUrls": urls, "nonce": "again"})

        async def acknowledged() -> None:
            twin = await product.twin(device)
            service = twin.properties.reported["deviceUpdate"]["service"]
            assert service["value"].get("nonce") == "again"

        await product.eventually(acknowledged)
        await still_installed(product, device, second)
        assert (await product.agent_of(device))["state"] == 0
        await product.until_counts(group, identity, succeeded=1)
