"""Lists over several pages, through the SDK and link by link."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from azure.core.exceptions import HttpResponseError

from local.rest import Rest
from local.stack.running import Stack, start
from tests.conformance.sdk import Sdk, sdk
from tests.conftest import SECOND
from tests.packages import MANUFACTURER, Package, make_package, unique
from tests.product import Product
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.sources import Sources

SIZE = 2
COUNT = 5
"""Of everything, so that each list has three pages."""
DELETES_PER_MINUTE = 60


@pytest.fixture(scope="module")
def small_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with (
        patch.dict(
            os.environ,
            {"API_PAGE_SIZE": str(SIZE), "REQUESTS_PER_MINUTE_DELETE": str(DELETES_PER_MINUTE)},
        ),
        start(tmp_path_factory.mktemp("small-pages"), options=["--instance", SECOND]) as running,
    ):
        yield running


@pytest.fixture(scope="module")
async def content(
    small_pages: Stack, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Content]:
    async with Rest(small_pages) as rest:
        product = Product(small_pages, rest, sources, tmp_path_factory.mktemp("devices"))
        made = Content(product)
        await made.make()
        yield made


@pytest.fixture(params=[False, True], ids=["sync", "async"])
async def client(request: pytest.FixtureRequest, small_pages: Stack) -> AsyncIterator[Sdk]:
    async with sdk(small_pages, is_async=request.param, api_version="2022-10-01") as made:
        yield made


class Content:
    """What there is to list: five providers, names, versions, devices, groups and so on."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.group, self.model, self.provider = unique("group"), unique("model"), unique("maker")
        self.groups = [f"{self.group}-{at}" for at in range(COUNT)]
        self.deployments = [f"d{at}" for at in range(COUNT)]
        self.class_id = ""
        others = range(1, COUNT)
        self.packages = [
            *(_package(self.provider, "n0", f"{at + 1}.0", self.model) for at in range(COUNT)),
            *(_package(f"{self.provider}-{at}", "n0", "1.0", unique("model")) for at in others),
            *(_package(self.provider, f"n{at}", "1.0", unique("model")) for at in others),
        ]

    async def make(self) -> None:
        """Import, connect and deploy."""
        await asyncio.gather(*(self.product.publish(package) for package in self.packages))
        async with AsyncExitStack() as fleets:
            for group in self.groups:
                await fleets.enter_async_context(self.product.fleet(group, group))
            await fleets.enter_async_context(self.product.fleet(self.group, self.model, COUNT))
            await self.product.seen(self.group, COUNT)
            for group in self.groups:
                await eventually(lambda group=group: self.product.class_of(f"{group}-0"))
            self.class_id = await self.product.class_of(f"{self.model}-0")
            for at, identity in enumerate(self.deployments):
                await self.product.rest.deploy(self.group, self.packages[at].update_id, identity)
            await self.product.until_counts(self.group, self.deployments[-1], succeeded=COUNT)

    async def pages(self, path: str) -> list[list[Any]]:
        """The pages of a list, one by one."""
        pages = []
        while path:
            page = await self.product.rest.get(path)
            assert len(page["value"]) <= SIZE
            pages.append(page["value"])
            path = page.get("nextLink")
        return pages


def _package(provider: str, name: str, version: str, model: str) -> Package:
    identity = {"provider": provider, "name": name, "version": version}
    return make_package(model, updateId=identity)


def lists(content: Content) -> dict[str, tuple[str, tuple[Any, ...], dict[str, Any], int]]:
    """Address of each list, the SDK's call for it, and how many items there are."""
    group = f"management/groups/{content.group}"
    place = f"deviceClassSubgroups/{content.class_id}/deployments/{content.deployments[-1]}"
    provider = content.provider
    of_group = {"filter": f"groupId eq '{content.group}'"}
    of_class = {"filter": f"deviceClassId eq '{content.class_id}'"}
    names = f"updates/providers/{provider}/names"
    total = len(content.packages)
    return {
        "list_updates": ("updates", (), {"search": provider}, total),
        "list_providers": ("updates/providers", (), {}, COUNT),
        "list_names": (names, (provider,), {}, COUNT),
        "list_versions": (f"{names}/n0/versions", (provider, "n0"), {}, COUNT),
        "list_operation_statuses_of_updates": ("updates/operations", (), {}, total),
        "list_devices": ("management/devices", (), of_group, COUNT),
        "list_devices of class": ("management/devices", (), of_class, COUNT),
        "list_devices of all": ("management/devices", (), {}, 2 * COUNT),
        "list_groups": ("management/groups", (), {"orderby": "deviceCount desc"}, COUNT + 1),
        "list_device_classes": ("management/deviceClasses", (), {}, COUNT + 1),
        "list_deployments_for_group": (
            f"{group}/deployments",
            (content.group,),
            {"orderby": "startDateTime desc"},
            COUNT,
        ),
        "list_device_states_for_device_class_subgroup_deployment": (
            f"{group}/{place}/devicestates",
            (content.group, content.class_id, content.deployments[-1]),
            {"filter": "deviceState eq 'Succeeded'"},
            COUNT,
        ),
    }


NAMES = [
    "list_updates",
    "list_providers",
    "list_names",
    "list_versions",
    "list_operation_statuses_of_updates",
    "list_devices",
    "list_devices of class",
    "list_devices of all",
    "list_groups",
    "list_device_classes",
    "list_deployments_for_group",
    "list_device_states_for_device_class_subgroup_deployment",
]


def address(path: str, query: dict[str, Any]) -> str:
    return f"{path}?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())


@pytest.mark.parametrize("name", NAMES)
async def test_sdk_lists_everything_once_over_three_pages(
    client: Sdk, content: Content, name: str
) -> None:
    path, arguments, query, count = lists(content)[name]

    pages = await content.pages(address(path, query))
    options = {"order_by" if key == "orderby" else key: value for key, value in query.items()}
    items = await client.items(name.partition(" ")[0], *arguments, **options)

    assert len([page for page in pages if page]) >= 3
    assert items == [item for page in pages for item in page]
    assert len(items) == count
    assert len({repr(item) for item in items}) == count


async def test_lists_keep_their_order_over_pages(client: Sdk, content: Content) -> None:
    found = await client.items("list_groups", order_by="groupId desc")
    assert [one["groupId"] for one in found] == sorted([*content.groups, content.group])[::-1]

    assert await client.items("list_versions", content.provider, "n0") == [
        f"{at + 1}.0" for at in range(COUNT)
    ]
    operations = await client.items("list_operation_statuses_of_updates")
    times = [one["createdDateTime"] for one in operations]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("top", [0, 1, 3, 1000])
async def test_top_ends_the_list_in_the_middle_of_a_page(
    client: Sdk, content: Content, top: int
) -> None:
    every = await client.items("list_operation_statuses_of_updates")

    assert await client.items("list_operation_statuses_of_updates", top=top) == every[:top]


async def test_a_token_opens_no_other_list_query_or_page(content: Content) -> None:
    product = content.product
    first = await product.rest.get("updates/providers")
    token = parse_qs(urlsplit(first["nextLink"]).query)["token"][0]
    names = f"updates/providers/{content.provider}/names"

    for path in (
        f"{names}?token={token}",
        f"updates?token={token}",
        f"management/groups?token={token}",
        f"updates/providers?token={token[:-8]}AAAAAAAA",
        "updates/providers?token=%27%00%F0",
        "updates/providers?token=1",
    ):
        refused = await product.error_of(path)
        assert (refused.status, refused.error["target"]) == (400, "token")

    refused = await product.error_of(first["nextLink"].replace(product.stack.instance, SECOND, 1))
    assert (refused.status, refused.error["target"]) == (400, "token")

    found = (await product.rest.get(f"updates?filter={quote('isDeployable eq true')}"))["nextLink"]
    other = found.replace("true", "false")
    assert other != found
    refused = await product.error_of(other)
    assert (refused.status, refused.error["target"]) == (400, "token")


async def test_filters_find_what_they_name(client: Sdk, content: Content) -> None:
    group = content.group
    failed = f"groupId eq '{group}' and deploymentStatus eq 'Failed'"
    done = f"groupId eq '{group}' and deploymentStatus eq 'Succeeded'"
    never = f"groupId eq '{content.groups[0]}' and deploymentStatus eq null"
    assert await client.items("list_devices", filter=failed) == []
    found = await client.items("list_devices", filter=done)
    assert sorted(one["deviceId"] for one in found) == [
        f"{content.model}-{at}" for at in range(COUNT)
    ]
    (alone,) = await client.items("list_devices", filter=never)
    assert (alone["deviceId"], alone["groupId"]) == (f"{content.groups[0]}-0", content.groups[0])

    where = (group, content.class_id, content.deployments[-1])
    states = "list_device_states_for_device_class_subgroup_deployment"
    (one,) = await client.items(states, *where, filter=f"deviceId eq '{content.model}-3'")
    assert one["deviceId"] == f"{content.model}-3"

    subgroups = "list_device_class_subgroups_for_group"
    model = f"compatProperties/manufacturer eq '{MANUFACTURER}' and compatProperties/model eq "
    assert await client.items(subgroups, group, filter=f"{model}'other'") == []
    (subgroup,) = await client.items(subgroups, group, filter=f"{model}'{content.model}'")
    assert subgroup["deviceClassId"] == content.class_id

    assert await client.items("list_updates", filter="isDeployable eq false") == []
    (update,) = await client.items("list_updates", search=f"{content.provider} n0 3.0")
    assert update["updateId"]["version"] == "3.0"


async def test_sdk_waits_and_comes_through_when_a_budget_is_spent(client: Sdk) -> None:
    async def refused(**options: Any) -> Any:
        with pytest.raises(HttpResponseError) as caught:
            await client.call("begin_delete_update", "nobody", "nothing", "1.0", **options)
        return caught.value

    answers = [await refused(retry_total=0) for _ in range(DELETES_PER_MINUTE)]
    while all(
        answer.status_code == 404 for answer in answers
    ):  # the budget fills up while it is spent
        answers += await asyncio.gather(*(refused(retry_total=0) for _ in range(8)))

    spent = next(answer for answer in answers if answer.status_code == 429)
    assert spent.error.code == "TooManyRequests"
    assert spent.response.headers["Retry-After"] == "1"
    assert (await refused()).status_code == 404
