"""Bad input is refused with the thing at fault named, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization

from functions.resources import routes
from local.cloud.identity.keys import roll, signing_keys
from local.cloud.identity.tokens import LOCAL_TENANT, mint
from tests.packages import Package, make_package, sha256, unique
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.conftest import Api
    from tests.product import Product

IMPORT = "updates:import"


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


# What the REST API sees at once.


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, ""),
        ([], ""),
        ([{}], "/0"),
        ([{"importManifest": {"url": "https://a.example/", "hashes": {}}}], "/0/importManifest"),
        (
            [
                {
                    "importManifest": {
                        "url": "https://a.example/",
                        "sizeInBytes": "many",
                        "hashes": {"sha256": sha256(b"")},
                    }
                }
            ],
            "/0/importManifest/sizeInBytes",
        ),
    ],
    ids=["object", "empty", "no manifest", "no size", "size in words"],
)
async def test_import_request_is_refused_with_a_pointer_when_it_is_malformed(
    api: Api, body: object, target: str
) -> None:
    answer = await api.send("POST", IMPORT, data=json.dumps(body).encode())

    assert answer.status == 400
    assert target in [detail["target"] for detail in answer.error["details"]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'[{"importManifest": 1, "importManifest": 2}]', "twice"),
        (b"[NaN]", "NaN"),
        (b"[1e999]", "too large"),
        (b'["\\ud800"]', "surrogate"),
        (b"[" * 1_000 + b"]" * 1_000, "nests deeper"),
        (b'["' + b"a" * (5 << 20) + b'"]', "larger than"),
    ],
    ids=["empty", "half", "key twice", "NaN", "infinite", "surrogate", "too deep", "too large"],
)
async def test_body_is_refused_when_it_is_no_strict_json(
    api: Api, data: bytes, reason: str
) -> None:
    answer = await api.send("POST", IMPORT, data=data)

    assert answer.status in (400, 413)
    assert answer.error["target"] == ""
    assert reason in answer.error["message"]


async def test_body_is_refused_when_it_has_another_content_type(api: Api) -> None:
    answer = await api.send("POST", IMPORT, data=b"[]", headers={"Content-Type": "text/plain"})

    assert answer.status == 415
    assert answer.error["target"] == "Content-Type"


async def test_every_operation_with_a_body_refuses_what_is_none_and_changes_nothing(
    api: Api, product: Product
) -> None:
    before = await made_by_requests(product)
    under_way = {place for place, row in before.items() if row.get("due")}
    bad = {
        b'{"a": 1, "a": 2}': (400, ""),
        b'{"a": NaN}': (400, ""),
        b"[" * 5_000: (400, ""),
        b'"' + b"a" * (10 << 20) + b'"': (400, ""),
        b"5": (400, ""),
        b"\xff\xfe": (400, ""),
    }
    takers = [route for route in routes() if route.body is not None]
    assert len(takers) >= 28
    for route in takers:
        path = re.sub(r"\{\w+\}", "some", route.path)
        for body, expected in bad.items():
            if route.name == "validate_import_manifest" and body == b"5":
                continue  # says in its answer what is wrong with a manifest
            answer = await api.send(
                route.method, path, data=body, headers={"Content-Type": route.body_type}
            )
            found = (answer.status, answer.error.get("target"))
            assert found == expected, (route.name, body[:20], answer.error)
        for kind in ("text/plain", "application/xml", "application/jsonx", "json"):
            answer = await api.send(route.method, path, data=b"{}", headers={"Content-Type": kind})
            assert (answer.status, answer.error["target"]) == (415, "Content-Type"), route.name
    after = await made_by_requests(product)
    assert after.keys() == before.keys()
    assert [after[place] for place in before if place not in under_way] == [
        row for place, row in before.items() if place not in under_way
    ]


async def made_by_requests(product: Product) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Every row that a request with a body can make, by table and keys; timers make re-scans."""
    return {
        (table, row["PartitionKey"], row["RowKey"]): row
        for table in ("Operations", "Deployments", "LogCollections", "Updates", "DeviceClasses")
        for row in await product.storage.rows(table)
        if row.get("kind") != "rescan"
    }


BAD_QUERIES = {
    "filter": [
        "x",
        "groupId eq",
        "groupId eq 'a",
        "groupId eq 'a' or",
        "groupId eq 'a'; drop",
        "((((((((" * 100,
        "not groupId eq 'a'",
        "groupId ne 'a'",
        "größe eq '💥'",
        "groupId eq 'a\x00'and 1 eq 1",
        "a" * 5_000,
    ],
    "orderby": ["x", "groupId sideways", "groupId asc, deviceCount", "'", "💥", "a" * 5_000],
    "top": ["-1", "1.5", "x", "1e3", "٣", "9" * 30, "0x1"],
    "token": ["x", "'", "gAAAAA", "💥", "%", "a" * 5_000],
}


@pytest.mark.parametrize("name", BAD_QUERIES)
async def test_every_list_refuses_malformed_queries_naming_the_parameter(
    api: Api, name: str
) -> None:
    for route in routes():
        if route.is_paged if name == "token" else name in {item.name for item in route.query}:
            path = re.sub(r"\{\w+\}", "some", route.path)
            for value in BAD_QUERIES[name]:
                answer = await api.send("GET", f"{path}?{name}={quote(value, safe='')}")
                assert answer.status in (400, 404), (route.name, value, answer)
                if answer.status == 400:
                    assert answer.error["target"] in (name, "filter"), (route.name, value, answer)


@pytest.mark.parametrize("version", [None, "", "2020-09-01", "2022-10-01x"])
async def test_request_is_refused_when_the_api_version_is_not_known(
    api: Api, version: str | None
) -> None:
    answer = await api.send("GET", "updates", version=version)

    assert answer.status == 400
    assert answer.error["target"] == "api-version"


@pytest.mark.parametrize("instance", ["other", "LOCAL", "%2e%2e", "lo%27cal", "%F0%9F%92%A5"])
async def test_request_is_answered_404_when_the_instance_is_unknown(
    api: Api, instance: str
) -> None:
    answer = await api.send("GET", "updates", instance=instance)

    assert answer.status == 404
    assert answer.error["target"] == "instanceId"


STRANGE_IDS = [
    "a/b",
    "a%b",
    "it's",
    'say "x"',
    "größe-💥",
    "' or '1' eq '1",
    "..",
    "a\x00b",
    "a#b?c",
]


@pytest.mark.parametrize("identity", STRANGE_IDS)
@pytest.mark.parametrize(
    "path",
    [
        "management/devices/{}",
        "management/deviceClasses/{}",
        "management/groups/{}",
        "management/groups/{}/updateCompliance",
        "management/groups/{}/deployments/{}",
        "updates/providers/{}/names",
        "updates/providers/{}/names/{}/versions/1.0",
        "updates/operations/{}",
    ],
)
async def test_unknown_things_are_answered_4xx_when_their_ids_are_strange(
    api: Api, path: str, identity: str
) -> None:
    address = path.replace("{}", quote(identity, safe=""))
    for method in ("GET", "DELETE", "PATCH", "PUT") if path.endswith("}") else ("GET",):
        answer = await api.send(method, address, data=b"{}" if method in ("PATCH", "PUT") else None)

        if not isinstance(answer.body, bytes):  # else there is no such operation at all
            assert answer.status in (400, 404, 405, 415)
            assert answer.error["target"] is not None


# Deployments.


def deployment(group: str, identity: str, update_id: object, **changes: object) -> bytes:
    body = {
        "deploymentId": identity,
        "groupId": group,
        "startDateTime": "2020-01-01T00:00:00Z",
        "update": {"updateId": update_id},
        **changes,
    }
    return json.dumps(body).encode()


def deployment_path(group: str, identity: str) -> str:
    return f"management/groups/{quote(group, safe='')}/deployments/{quote(identity, safe='')}"


async def test_deployment_is_answered_404_when_the_update_is_unknown(api: Api) -> None:
    update_id = {"provider": "contoso", "name": unique("absent"), "version": "1.0"}
    answer = await api.send("PUT", deployment_path("g", "d"), data=deployment("g", "d", update_id))

    assert answer.status == 404
    assert answer.error["target"] == "/update/updateId"
    assert update_id["name"] in answer.error["message"]


async def test_deployment_is_answered_404_when_the_group_is_unknown(
    api: Api, product: Product
) -> None:
    package, group = make_package(unique("model")), unique("group")
    await product.publish(package)

    answer = await api.send(
        "PUT", deployment_path(group, "d"), data=deployment(group, "d", package.update_id)
    )

    assert answer.status == 404
    assert answer.error["target"] == "groupId"
    assert (await product.error_of(deployment_path(group, "d"))).status == 404


@pytest.mark.parametrize(
    "identity", ["UPPER", "a/b", 'a"b', "a&b", "a^b", "a[b", "a{b", "a|b", "a<b", "a\\b", "x" * 74]
)
async def test_deployment_is_refused_when_its_id_is_not_allowed(api: Api, identity: str) -> None:
    update_id = {"provider": "contoso", "name": "some", "version": "1.0"}
    answer = await api.send(
        "PUT", deployment_path("g", identity), data=deployment("g", identity, update_id)
    )

    assert answer.status == 400
    assert answer.error["target"] in ("deploymentId", "/deploymentId")


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"deploymentId": "other"}, "deploymentId"),
        ({"groupId": "other"}, "groupId"),
        ({"update": None}, "update"),
        ({"update": {"updateId": {"provider": "a b", "name": "n", "version": "1.0"}}}, "provider"),
        ({"update": {"updateId": {"provider": "a", "name": "n", "version": "one"}}}, "version"),
        ({"startDateTime": "tomorrow"}, "startDateTime"),
        ({"startDateTime": None}, "startDateTime"),
        ({"rollbackPolicy": "please"}, "rollbackPolicy"),
    ],
)
async def test_deployment_is_refused_naming_the_field_when_it_is_malformed(
    api: Api, changes: dict[str, object], target: str
) -> None:
    update_id = {"provider": "contoso", "name": "some", "version": "1.0"}
    answer = await api.send(
        "PUT", deployment_path("g", "d"), data=deployment("g", "d", update_id, **changes)
    )

    assert answer.status == 400
    assert target in json.dumps(answer.error)
    assert answer.error["target"]


# Tokens.


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(stack: Any, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token with the right claims and key id, but another signature."""
    header, claims, _ = stack.token().split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=="))
    first = b64url(json.dumps({**fields, "alg": algorithm}).encode())
    return f"{first}.{claims}.{b64url(sign(f'{first}.{claims}'.encode()))}"


def minted(stack: Any, folder: Path | None = None, **changes: Any) -> str:
    given = {
        "issuer": stack.token_issuer,
        "audience": stack.token_audience,
        "tenant": stack.token_tenant,
        "roles": ["DeviceUpdateAdministrator"],
        "subject": "somebody",
        **changes,
    }
    return mint(folder or Path(stack.state) / "identity", **given)


BAD_TOKENS: dict[str, Callable[[Any, Path], str | None]] = {
    "none at all": lambda stack, folder: None,
    "no token": lambda stack, folder: "abc",
    "expired": lambda stack, folder: minted(stack, now=time.time() - 7200),
    "not yet valid": lambda stack, folder: minted(stack, now=time.time() + 7200),
    "other audience": lambda stack, folder: minted(stack, audience="https://graph.example/"),
    "other tenant": lambda stack, folder: minted(stack, tenant=LOCAL_TENANT[::-1]),
    "other issuer": lambda stack, folder: minted(stack, issuer="https://localhost/other/v2.0"),
    "other key": minted,
    "alg none": lambda stack, folder: forged(stack, "none", lambda data: b""),
    "alg none, signed": lambda stack, folder: forged(stack, "none", lambda data: b"x" * 256),
    "HS256 with the public key": lambda stack, folder: forged(
        stack, "HS256", lambda data: hmac.digest(public_pem(stack), data, "sha256")
    ),
    "RS256 with nonsense": lambda stack, folder: forged(stack, "RS256", lambda data: b"x" * 256),
}


def public_pem(stack: Any) -> bytes:
    key = signing_keys(Path(stack.state) / "identity")[0].private_key.public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_request_is_answered_401_when_the_token_does_not_hold(
    api: Api, tmp_path: Path, kind: str
) -> None:
    answer = await api.send("GET", "updates", token=BAD_TOKENS[kind](api.stack, tmp_path))

    assert answer.status == 401
    assert answer.error["code"] == "Unauthorized"
    assert answer.error["target"] == "Authorization"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Retry-After" not in answer.headers


async def test_token_of_a_new_key_holds_and_that_of_the_one_before_too(api: Api) -> None:
    before = api.stack.token()
    roll(Path(api.stack.state) / "identity")
    after = api.stack.token()

    async def holds() -> None:
        for token in (before, after):
            assert (await api.send("GET", "updates", token=token)).status == 200

    await eventually(holds)
