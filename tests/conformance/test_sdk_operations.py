"""Every operation of the unmodified SDK, sync and async, in both api-versions: what it answers when
all is well, and each of its documented failures.

`CALLS` has all fifty. The tests below go down the table once for each kind of outcome; what
operations mean, page by page and field by field, is tested elsewhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)

from functions.resources import routes
from tests.conformance.sdk import VERSIONS, Sdk, sdk
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.sources import Sources

KINDS = [
    pytest.param((is_async, version), id=f"{'async' if is_async else 'sync'} {version}")
    for is_async in (False, True)
    for version in VERSIONS
]


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Sdk]:
    is_async, version = request.param
    async with sdk(stack, is_async=is_async, api_version=version) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Call:
    """How an operation is called: `names` are of the things that it names, in their order."""

    names: tuple[str, ...] = ()
    body: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_list: bool = False
    is_conditional: bool = False
    malformed: tuple[Mapping[str, Any], ...] = ()
    """Options that are refused, or `body`."""

    async def make(
        self, client: Sdk, operation: str, known: Mapping[str, str], **other: Any
    ) -> Any:
        body = other.pop("body", self.body)
        given = [known[name] for name in self.names]
        given += [] if body is None else [body]
        if self.is_list:
            return await client.items(operation, *given, **{**self.options, **other})
        return await client.call(operation, *given, **{**self.options, **other})


UPDATE = ("provider", "name", "version")
SUBGROUP = ("group", "class")
DEPLOYMENT = ("group", "deployment")
SUBGROUP_DEPLOYMENT = ("group", "class", "deployment")
NO_FILTER = ({"filter": "x eq"}, {"filter": "nothing eq 'known'"})
NO_ORDER = ({"order_by": "sideways"},)
NO_TOP = ({"top": -1},)
LIST: Any = {"is_list": True}

CALLS: dict[str, Call] = {
    "list_updates": Call(**LIST, malformed=NO_FILTER),
    "begin_import_update": Call(body=[], malformed=({"body": []}, {"body": [{}]}, {"body": {}})),
    "get_update": Call(UPDATE, is_conditional=True),
    "begin_delete_update": Call(UPDATE),
    "list_providers": Call(**LIST),
    "list_names": Call(("provider",), **LIST),
    "list_versions": Call(("provider", "name"), **LIST, malformed=NO_FILTER),
    "list_files": Call(UPDATE, **LIST),
    "get_file": Call((*UPDATE, "file"), is_conditional=True),
    "list_operation_statuses_of_updates": Call(**LIST, malformed=(*NO_FILTER, *NO_TOP)),
    "get_operation_status_of_updates": Call(("import",), is_conditional=True),
    "list_device_classes": Call(**LIST, malformed=NO_FILTER),
    "get_device_class": Call(("class",)),
    "update_device_class": Call(
        ("class",),
        body={"friendlyName": "fine"},
        malformed=({"body": {"friendlyName": "no blanks"}}, {"body": {}}),
    ),
    "delete_device_class": Call(("class",)),
    "list_installable_updates_for_device_class": Call(("class",), **LIST),
    "list_devices": Call(**LIST, malformed=(*NO_FILTER, {"filter": "deploymentStatus eq 'Ill'"})),
    "begin_import_devices": Call(body="All", malformed=({"body": "Gadgets"},)),
    "get_device": Call(("device",)),
    "get_device_module": Call(("module_device", "module")),
    "get_update_compliance": Call(),
    "list_groups": Call(**LIST, malformed=NO_ORDER),
    "get_group": Call(("group",)),
    "delete_group": Call(("group",)),
    "get_update_compliance_for_group": Call(("group",)),
    "list_best_updates_for_group": Call(("group",), **LIST),
    "list_deployments_for_group": Call(("group",), **LIST, malformed=NO_ORDER),
    "get_deployment": Call(DEPLOYMENT),
    "create_or_update_deployment": Call(DEPLOYMENT, body={}, malformed=({"body": {}},)),
    "delete_deployment": Call(DEPLOYMENT),
    "get_deployment_status": Call(DEPLOYMENT),
    "list_device_class_subgroups_for_group": Call(("group",), **LIST, malformed=NO_FILTER),
    "get_device_class_subgroup": Call(SUBGROUP),
    "delete_device_class_subgroup": Call(SUBGROUP),
    "get_device_class_subgroup_update_compliance": Call(SUBGROUP),
    "get_best_updates_for_device_class_subgroup": Call(SUBGROUP),
    "list_deployments_for_device_class_subgroup": Call(SUBGROUP, **LIST, malformed=NO_ORDER),
    "get_deployment_for_device_class_subgroup": Call(SUBGROUP_DEPLOYMENT),
    "delete_deployment_for_device_class_subgroup": Call(SUBGROUP_DEPLOYMENT),
    "stop_deployment": Call(SUBGROUP_DEPLOYMENT),
    "retry_deployment": Call(SUBGROUP_DEPLOYMENT),
    "get_device_class_subgroup_deployment_status": Call(SUBGROUP_DEPLOYMENT),
    "list_device_states_for_device_class_subgroup_deployment": Call(
        SUBGROUP_DEPLOYMENT, **LIST, malformed=NO_FILTER
    ),
    "get_operation_status": Call(("re-read",), is_conditional=True),
    "list_operation_statuses": Call(**LIST, malformed=(*NO_FILTER, *NO_TOP)),
    "start_log_collection": Call(
        ("logs",),
        body={"deviceList": [{"deviceId": "nobody"}]},
        malformed=({"body": {"deviceList": []}}, {"body": {}}),
    ),
    "get_log_collection": Call(("logs",)),
    "list_log_collections": Call(**LIST),
    "get_log_collection_detailed_status": Call(("logs",)),
    "list_health_of_devices": Call(
        **LIST,
        options={"filter": "state eq 'unhealthy'"},
        malformed=(*NO_FILTER, {"filter": "state eq 'ill'"}),
    ),
}
WRITES = ("begin_", "delete_", "create_", "update_", "stop_", "retry_", "start_")
READS = [name for name in CALLS if not name.startswith(WRITES)]


@pytest.fixture(scope="module")
async def known(
    stack: Stack, rest: Rest, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """Names of one of everything."""
    product = Product(stack, rest, sources, tmp_path_factory.mktemp("devices"))
    group, model, logs = unique("group"), unique("model"), unique("logs")
    package = make_package(model)
    imported = await product.publish(package)
    async with product.fleet(group, model), product.module(group, model) as module:
        await product.seen(group, 2)
        deployment = await rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1, in_progress=1)
        await rest.request(
            "PUT",
            f"management/deviceDiagnostics/logCollections/{logs}",
            {"deviceList": [{"deviceId": f"{model}-0"}]},
        )
        headers, _ = await rest.request("POST", "management/devices:import", "Modules")
        again = await product.ended(headers["Operation-Location"])
        (file_id,) = (await rest.get(f"{package.path}/files"))["value"]
        return {
            **package.update_id,
            "file": file_id,
            "import": imported["operationId"],
            "re-read": again["operationId"],
            "class": await product.class_of(f"{model}-0"),
            "device": f"{model}-0",
            "module_device": module[0],
            "module": module[1],
            "group": group,
            "deployment": deployment,
            "logs": logs,
        }


def refusal(raised: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    """Status and code; every refusal has a message and, in a final answer, no `Retry-After`."""
    error: Any = raised.value.error
    assert error is not None, raised.value
    assert error.message
    assert raised.value.response is not None
    assert "Retry-After" not in raised.value.response.headers
    return raised.value.status_code, error.code


def test_table_has_every_operation() -> None:
    additional = sum(route.is_additional for route in routes())
    assert len(CALLS) == len(routes()) - additional == 50


async def test_reads_answer_for_what_exists(client: Sdk, known: Mapping[str, str]) -> None:
    for operation in READS:
        found = await CALLS[operation].make(client, operation, known)
        assert isinstance(found, list if CALLS[operation].is_list else dict), operation
        if CALLS[operation].names:
            assert found, operation


async def test_operations_on_what_does_not_exist_are_answered_404(client: Sdk) -> None:
    absent = {
        name: "0.1" if name == "version" else unique("absent")
        for call in CALLS.values()
        for name in call.names
    }
    deployment = {
        "deploymentId": absent["deployment"],
        "groupId": absent["group"],
        "startDateTime": "2020-01-01T00:00:00Z",
        "update": {"updateId": {name: absent[name] for name in UPDATE}},
    }
    for operation, call in CALLS.items():
        if call.names:
            body = deployment if operation == "create_or_update_deployment" else call.body
            with pytest.raises(ResourceNotFoundError) as raised:
                await call.make(client, operation, absent, body=body)
            assert refusal(raised) == (404, "NotFound"), operation


async def test_malformed_requests_are_answered_400(client: Sdk, known: Mapping[str, str]) -> None:
    for operation, call in CALLS.items():
        for options in call.malformed:
            with pytest.raises(HttpResponseError) as raised:
                await call.make(client, operation, known, **options)
            assert refusal(raised) == (400, "InvalidArgument"), (operation, options)


async def test_conditions_are_answered_304_and_412(client: Sdk, known: Mapping[str, str]) -> None:
    for operation, call in CALLS.items():
        if not call.is_conditional:
            continue
        etag = (await call.make(client, operation, known))["etag"]

        async def given(
            condition: MatchConditions, tag: str, *, call: Call = call, operation: str = operation
        ) -> Any:
            return await call.make(client, operation, known, etag=tag, match_condition=condition)

        same = etag.strip('"')
        assert await given(MatchConditions.IfNotModified, same), operation
        assert await given(MatchConditions.IfModified, "other"), operation
        with pytest.raises(ResourceNotModifiedError):
            await given(MatchConditions.IfModified, same)
        with pytest.raises(ResourceModifiedError) as raised:
            await given(MatchConditions.IfNotModified, "other")
        assert refusal(raised) == (412, "PreconditionFailed"), operation


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_every_operation_is_answered_401_and_403(
    stack: Stack, known: Mapping[str, str], is_async: bool
) -> None:
    outsider = stack.token("Administrator", instance="another")
    for version in VERSIONS:
        given: Any = {"is_async": is_async, "api_version": version}
        async with (
            sdk(stack, token=stack.token(lifetime_seconds=-600), **given) as expired,
            sdk(stack, token=outsider, **given) as foreign,
        ):
            for operation, call in CALLS.items():
                with pytest.raises(ClientAuthenticationError) as unauthorized:
                    await call.make(expired, operation, known)
                assert refusal(unauthorized) == (401, "Unauthorized"), operation
                with pytest.raises(HttpResponseError) as forbidden:
                    await call.make(foreign, operation, known)
                assert refusal(forbidden) == (403, "Forbidden"), operation


async def test_writes_succeed_and_conflict_over_the_life_of_a_group(
    client: Sdk, product: Product
) -> None:
    group, model, logs = unique("group"), unique("model"), unique("logs")
    package, other = make_package(model), make_package(model, version="2.0")
    update, where = package.update_id, tuple(package.update_id.values())
    first, second = unique("d"), unique("d")

    def conflict(operation: str, *arguments: Any, code: str = "Conflict") -> Any:
        return _conflict(client, operation, *arguments, code=code)

    for one in (package, other):
        assert await client.finish("begin_import_update", [product.sources.offer(one)]) is None
    with pytest.raises(HttpResponseError) as raised:
        await client.finish("begin_import_update", [product.sources.offer(package)])
    assert raised.value.error.code == "UpdateAlreadyExists"
    async with product.fleet(group, model, 1, install={"resultCode": 0}) as fleet:
        await product.seen(group, 1)
        device = f"{model}-0"
        class_id = await product.class_of(device)
        subgroup = (group, class_id)
        assert await client.finish("begin_import_devices", "Devices") is None
        named = await client.call("update_device_class", class_id, {"friendlyName": model})
        assert named["friendlyName"] == model

        body = {
            "deploymentId": first,
            "groupId": group,
            "startDateTime": "2020-01-01T00:00:00Z",
            "update": {"updateId": update},
        }
        made = await client.call("create_or_update_deployment", group, first, body)
        assert made == await client.call("create_or_update_deployment", group, first, body)
        elsewhere = {**body, "update": {"updateId": other.update_id}}
        await conflict("create_or_update_deployment", group, first, elsewhere, code="Immutable")
        await product.until_counts(group, first, failed=1)
        fleet.simulate(device, {})
        assert (await client.call("retry_deployment", *subgroup, first))["isRetried"]
        await product.until_counts(group, first, succeeded=1)
        await conflict("begin_delete_update", *where)
        assert (await client.call("stop_deployment", *subgroup, first))["isCanceled"]
        await conflict("retry_deployment", *subgroup, first)

        started = await client.call(
            "start_log_collection", logs, {"deviceList": [{"deviceId": device}]}
        )
        assert started["operationId"] == logs
        changed = {"deviceList": [{"deviceId": device}], "description": "another"}
        await conflict("start_log_collection", logs, changed)

        later = {**elsewhere, "deploymentId": second}
        await client.call("create_or_update_deployment", group, second, later)
        await product.until_counts(group, second, succeeded=1)
        await conflict("delete_group", group)
        await conflict("delete_device_class_subgroup", *subgroup)
        await conflict("delete_device_class", class_id)
    await asyncio.to_thread(product.hub().delete_device, device)
    await product.seen(group, 0)

    deletion = "delete_deployment_for_device_class_subgroup"
    assert await client.call(deletion, *subgroup, second) is None
    assert await client.call("delete_deployment", group, first) is None
    assert await client.call("delete_device_class_subgroup", *subgroup) is None
    assert await client.call("delete_group", group) is None
    assert await client.call("delete_device_class", class_id) is None
    assert await client.finish("begin_delete_update", *where) is None
    with pytest.raises(ResourceNotFoundError):
        await client.call("get_update", *where)


async def _conflict(client: Sdk, operation: str, *arguments: Any, code: str) -> None:
    with pytest.raises(ResourceExistsError) as raised:
        await client.call(operation, *arguments)
    assert refusal(raised) == (409, code), operation
