"""Bad input is refused with the thing at fault named, and leaves nothing behind."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from functions.resources import routes
from shared.domain.errors import InvalidInput
from shared.domain.updates.update_id import UpdateId
from tests.packages import make_package, sha256, unique

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.http.route import Route
    from tests.e2e.conftest import Api
    from tests.product import Product


IMPORT = "updates:import"


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
    # imports go on, and deployments of other tests are told of what their devices report
    under_way = {
        place for place, row in before.items() if row.get("due") or place[0] == "Deployments"
    }
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
            answer = await api.send(
                route.method, path, data=body, headers={"Content-Type": route.body_type}
            )
            if route.name == "validate_import_manifest" and body == b"5":
                # says in its answer what is wrong with a manifest
                assert (answer.status, answer.body["isValid"]) == (200, False)
                continue
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
    segments = path.count("/")
    declared = {
        route.method: route
        for route in routes()
        if re.sub(r"\{\w+\}", "{}", route.path).replace("versions/{}", "versions/1.0") == path
        and route.path.count("/") == segments
    }
    assert "GET" in declared
    for method in ("GET", "DELETE", "PATCH", "PUT", "POST"):
        body = b"{}" if method in ("PATCH", "PUT", "POST") else None
        answer = await api.send(method, address, data=body)

        assert answer.status == status_for_strange(method, declared, path, identity), method
        assert answer.error["target"] is not None
        if answer.status == 405:
            assert set(answer.headers["Allow"].split(", ")) == declared.keys()


def status_for_strange(method: str, declared: Mapping[str, Route], path: str, identity: str) -> int:
    """What is answered where nothing has that id, and nothing could."""
    if method not in declared:
        return 405
    if declared[method].body is not None:
        return 400 if declared[method].body_type == "application/json" else 415
    if "/versions/" not in path:
        return 404
    try:
        UpdateId(identity, identity, "1.0")
    except InvalidInput:
        return 400
    return 404


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
