"""An SDK that knows nothing of roll-outs: what it sends again changes nothing of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import ResourceExistsError

from odu_cli.rest import deployment_path
from tests.conformance.sdk import Sdk, deployment, sdk
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.product import Product

KINDS = [
    pytest.param((False, "2022-10-01"), id="sync 2022-10-01"),
    pytest.param((True, "2026-06-01"), id="async 2026-06-01"),
]
PHASES = [
    {"name": "canary", "select": {"count": 1}, "gate": {"advance": "Manual"}},
    {"name": "all", "select": {"percent": 100}},
]


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Sdk]:
    is_async, version = request.param
    async with sdk(stack, is_async=is_async, api_version=version) as made:
        yield made


async def test_a_put_without_rollout_changes_nothing_of_a_running_roll_out(
    product: Product, rest: Rest, client: Sdk
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("roll")
    package = make_package(model)
    await product.publish(package)
    body = deployment(group, identity, package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        address = deployment_path(group, identity)
        _, made = await rest.request("PUT", address, {**body, "rollout": {"phases": PHASES}})

        answered = await client.call("create_or_update_deployment", group, identity, body)

        after = await rest.get(address)
        assert (after["etag"], after["revision"]) == (made["etag"], 1)
        assert after["rollout"]["phases"] == made["rollout"]["phases"]
        assert [phase["name"] for phase in after["rollout"]["phases"]] == ["canary", "all"]
        assert answered["deploymentId"] == identity
        later = {**body, "startDateTime": "2021-01-01T00:00:00Z"}
        with pytest.raises(ResourceExistsError) as refused:
            await client.call("create_or_update_deployment", group, identity, later)
        assert refused.value.error.code == "Immutable"
        assert (await rest.get(address))["etag"] == made["etag"]
        read = await client.call("get_deployment", group, identity)
        assert read["update"]["updateId"] == package.update_id
        listed = await client.items("list_deployments_for_group", group)
        assert [item["deploymentId"] for item in listed] == [identity]


async def test_a_put_of_a_plain_deployment_again_changes_nothing_and_adds_no_phases(
    product: Product, rest: Rest, client: Sdk
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("plain")
    package = make_package(model)
    await product.publish(package)
    body = deployment(group, identity, package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        address = deployment_path(group, identity)
        await client.call("create_or_update_deployment", group, identity, body)
        made = await rest.get(address)

        await client.call("create_or_update_deployment", group, identity, body)

        after = await rest.get(address)
        assert (after["etag"], after["revision"]) == (made["etag"], 1)
        assert "rollout" not in after
        later = {**body, "startDateTime": "2021-01-01T00:00:00Z"}
        with pytest.raises(ResourceExistsError) as refused:
            await client.call("create_or_update_deployment", group, identity, later)
        assert refused.value.error.code == "Immutable"
        assert (await rest.get(address))["etag"] == made["etag"]
