"""Imports that are accepted and fail later, with every violation named."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.packages import Package, make_package, sha256, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.product import Product


async def nothing_remains(product: Product, operation: Mapping[str, Any], package: Package) -> None:
    """No update, no row of it, no content and nothing in quarantine."""
    assert (await product.error_of(package.path)).status == 404
    name = package.update_id["name"].replace(".", "~2e")
    assert not [row for row in await product.storage.rows("Updates") if name in row["PartitionKey"]]
    published = set(await product.storage.blobs("content"))
    digests = {hashlib.sha256(content).hexdigest() for content in package.files.values()}
    assert not {f"{product.stack.instance}/{digest}" for digest in digests} & published
    await product.unquarantined(operation["operationId"])


async def refused(product: Product, package: Package, item: dict[str, Any]) -> dict[str, Any]:
    """Import what must fail and leave nothing behind; the error of its operation."""
    operation = await product.import_items(item)
    assert operation["status"] == "Failed", operation
    assert "resourceLocation" not in operation
    await nothing_remains(product, operation, package)
    error: dict[str, Any] = operation["error"]
    return error


# What an import finds out later: the operation fails.


async def test_import_lists_every_violation_when_the_manifest_breaks_its_schema(
    product: Product,
) -> None:
    package = make_package(unique("model"))
    del package.document["createdDateTime"]
    package.document["compatibility"] = []
    package.document["files"][0]["sizeInBytes"] = -1
    package.document["files"][0]["hashes"]["sha256"] = "short"
    package.document["instructions"]["steps"][0]["files"] = ["other.bin"]

    error = await refused(product, package, product.sources.offer(package))

    assert error["code"] == "CannotProcessImportManifest"
    assert error["innererror"]["code"] == "CannotParse"
    assert {detail["target"] for detail in error["details"]} >= {
        "",
        "/compatibility",
        "/files/0/sizeInBytes",
        "/files/0/hashes/sha256",
        "/instructions/steps/0/files/0",
    }
    assert any("createdDateTime" in detail["message"] for detail in error["details"])


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (b"<xml/>", "is not JSON"),
        (b'{"manifestVersion": "5.0", "manifestVersion": "4.0"}', "twice"),
        (b'{"manifestVersion": NaN}', "NaN"),
        (b'"\xff"', "UTF-8"),
        (b"[" * 5_000 + b"]" * 5_000, "nests deeper"),
    ],
    ids=["xml", "key twice", "NaN", "no UTF-8", "too deep"],
)
async def test_import_fails_when_the_manifest_is_no_strict_json(
    product: Product, manifest: bytes, reason: str
) -> None:
    package = make_package(unique("model"))

    error = await refused(product, package, product.sources.offer_bytes(manifest, package.files))

    assert error["innererror"]["code"] == "CannotParse"
    assert reason in error["message"]


async def test_import_fails_when_the_manifest_version_is_unknown(product: Product) -> None:
    package = make_package(unique("model"), manifestVersion="3.0")

    error = await refused(product, package, product.sources.offer(package))

    assert error["innererror"]["code"] == "UnsupportedVersion"
    assert error["details"][0]["target"] == "/manifestVersion"


@pytest.mark.parametrize(
    ("change", "inner_code"),
    [
        (lambda content: content[:-1] + b"?", "HashMismatch"),
        (lambda content: content + b"more", "SizeMismatch"),
        (lambda content: content[:-4], "SizeMismatch"),
    ],
    ids=["other bytes", "longer", "shorter"],
)
async def test_import_fails_when_a_file_is_not_the_stated_one(
    product: Product, change: Callable[[bytes], bytes], inner_code: str
) -> None:
    package = make_package(unique("model"))
    (name, content), *_ = package.files.items()
    item = product.sources.offer_bytes(package.manifest, {name: change(content)})

    error = await refused(product, package, item)

    assert error["code"] == "CannotProcessUpdateFile"
    assert error["target"] == name
    assert error["innererror"]["code"] == inner_code


@pytest.mark.parametrize(
    ("wrong", "inner_code"),
    [
        ({"sizeInBytes": 7}, "SizeMismatch"),
        ({"hashes": {"sha256": sha256(b"other")}}, "HashMismatch"),
    ],
    ids=["size", "hash"],
)
async def test_import_fails_when_the_manifest_is_not_the_stated_one(
    product: Product, wrong: dict[str, Any], inner_code: str
) -> None:
    package = make_package(unique("model"))
    item = product.sources.offer(package)
    item["importManifest"] |= wrong

    error = await refused(product, package, item)

    assert error["code"] == "CannotProcessImportManifest"
    assert error["innererror"]["code"] == inner_code


async def test_import_fails_naming_the_file_when_its_source_answers_404(product: Product) -> None:
    package = make_package(unique("model"))
    item = product.sources.offer(package)
    item["files"][0]["url"] = product.sources.nowhere()

    error = await refused(product, package, item)

    assert error["code"] == "CannotProcessUpdateFile"
    assert error["target"] == item["files"][0]["filename"]
    assert error["innererror"]["code"] == "ContentFileCannotDownload"


async def test_import_fails_after_some_tries_when_nobody_listens(product: Product) -> None:
    package = make_package(unique("model"))
    item = product.sources.offer(package)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    item["importManifest"]["url"] = f"http://127.0.0.1:{port}/manifest.json"

    error = await refused(product, package, item)

    assert "manifest.json" not in error["message"]
    assert error["code"] == "CannotProcessImportManifest"
    assert error["innererror"]["code"] == "CannotDownload"


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/a.json",
        "https://169.254.169.254/metadata/instance",
        "https://[fd00::1]/a.json",
        "https://2130706433/a.json",
        "ftp://example.com/a.json",
        "file:///etc/passwd",
    ],
)
async def test_import_fails_when_a_source_is_private_or_no_web_address(
    product: Product, url: str
) -> None:
    package = make_package(unique("model"))
    item = product.sources.offer(package)
    item["importManifest"]["url"] = url

    error = await refused(product, package, item)

    assert error["innererror"]["code"] == "CannotDownload"
    assert error["innererror"]["innerError"]["code"] == "SourceRefused"


async def test_import_fails_when_the_update_exists(product: Product) -> None:
    package = make_package(unique("model"))
    await product.publish(package)
    first = await product.rest.get(package.path)

    ended = await product.import_items(product.sources.offer(package))

    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "UpdateAlreadyExists"
    assert ended["error"]["target"] == "/updateId"
    assert await product.rest.get(package.path) == first


async def test_import_publishes_one_of_two_when_both_are_the_same_update(
    product: Product,
) -> None:
    name, model = unique("update"), unique("model")
    packages = [
        make_package(model, name=name, files={"a.bin": content}) for content in (b"one", b"other")
    ]

    ended = await asyncio.gather(
        *(product.import_items(product.sources.offer(package)) for package in packages)
    )

    assert sorted(one["status"] for one in ended) == ["Failed", "Succeeded"]
    failed = next(one for one in ended if one["status"] == "Failed")
    assert failed["error"]["code"] == "UpdateAlreadyExists"


async def test_import_fails_when_a_referenced_update_is_missing(product: Product) -> None:
    step = {
        "type": "reference",
        "updateId": {"provider": "contoso", "name": unique("absent"), "version": "1.0"},
    }
    package = make_package(unique("model"), instructions={"steps": [step]}, files=None)
    package.document["files"] = []
    package = Package(package.document, {})

    error = await refused(product, package, product.sources.offer(package))

    assert error["innererror"]["code"] == "ReferenceNotFound"


async def test_import_fails_when_its_devices_have_updates_of_another_name(
    product: Product,
) -> None:
    model = unique("model")
    await product.publish(make_package(model))
    package = make_package(model, name=unique("other"))

    error = await refused(product, package, product.sources.offer(package))

    assert error["code"] == "UpdateLimitExceeded"
    assert error["innererror"]["code"] == "UpdateNameCompatibility"
    assert "the limit names_per_compatibility is 1" in error["message"]
    await product.publish(make_package(model, version="2.0"))
