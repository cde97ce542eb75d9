"""Every cell of role x operation, on a running service."""

from __future__ import annotations

import asyncio
import re
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from functions.resources import routes
from local.cloud.identity.tokens import mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from shared.http.route import Route

_READS = {"updates": "r", "search": "r"}
MAY: dict[str, dict[str, str]] = {
    "DeviceUpdateAdministrator": {
        "updates": "rwd",
        "management": "rwda",
        "audit": "r",
        "operations": "rwd",
        "changes": "r",
        "search": "r",
        "uploads": "rwd",
    },
    "DeviceUpdateReader": {**_READS, "management": "r", "audit": "r", "changes": "r"},
    "DeviceUpdateContentAdministrator": {"updates": "rwd", "search": "r", "uploads": "rwd"},
    "DeviceUpdateContentReader": _READS,
    "DeviceUpdateDeploymentsAdministrator": {**_READS, "management": "rwda", "changes": "r"},
    "DeviceUpdateDeploymentsReader": {**_READS, "management": "r", "changes": "r"},
    "DeviceUpdateApprover": {**_READS, "management": "ra", "changes": "r"},
    "": {"updates": "", "management": ""},
}
"""What each role may: read, write, delete of contents and of management, and approve roll-outs. The
last has no role.
"""
APPROVALS = ("approve_deployment", "reject_deployment")
CHECKS = ("export_devices", "plan_deployment", "validate_import_manifest")
"""Operations that are no GET and yet change nothing: whoever may read may call them."""
KIND = {"GET": "r", "PUT": "w", "POST": "w", "PATCH": "w", "DELETE": "d"}


def may(role: str, route: Route) -> bool:
    """The rule of the roles: the first word of the path and the verb decide, approvals apart."""
    if not route.is_of_instance:
        return True  # about the caller alone
    kind = "r" if route.name in CHECKS else "a" if route.name in APPROVALS else KIND[route.method]
    return kind in MAY[role].get(re.split(r"[/:]", route.path)[0], "")


def a_token(stack: Stack, *roles: str) -> str:
    return mint(
        Path(stack.state) / "identity",
        issuer=stack.token_issuer,
        audience=stack.token_audience,
        tenant=stack.token_tenant,
        roles=[role for role in roles if role],
        subject="somebody",
    )


@pytest.fixture(scope="module")
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=stack.ca_file)
    connector = aiohttp.TCPConnector(ssl=context, limit=16)
    async with aiohttp.ClientSession(stack.endpoint, connector=connector) as session:
        yield session


async def answer(http: aiohttp.ClientSession, stack: Stack, route: Route, token: str) -> int:
    """The status of a request that names nothing that exists and so can change nothing."""
    path = route.template.replace("{instanceId}", stack.instance)
    address = f"/{re.sub(r'{[a-zA-Z]+}', 'no-such-thing', path)}?api-version=2022-10-01"
    headers = {"Authorization": f"Bearer {token}"}
    async with http.request(route.method, address, headers=headers) as response:
        await response.read()
        return response.status


def test_the_api_has_the_fifty_operations_of_device_update() -> None:
    additional = sum(route.is_additional for route in routes())
    assert len(routes()) - additional == 50


@pytest.mark.parametrize("role", MAY, ids=lambda role: role or "no role")
async def test_role_may_do_what_its_actions_say_and_nothing_else(
    role: str, http: aiohttp.ClientSession, stack: Stack
) -> None:
    token = a_token(stack, role)
    served = routes()

    statuses = await asyncio.gather(*(answer(http, stack, route, token) for route in served))

    wrong = [
        (route.name, status)
        for route, status in zip(served, statuses, strict=True)
        if (status == HTTPStatus.FORBIDDEN) is may(role, route)
        or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.INTERNAL_SERVER_ERROR)
    ]
    assert wrong == []


async def test_role_on_one_instance_opens_no_other(
    http: aiohttp.ClientSession, stack: Stack
) -> None:
    route = next(route for route in routes() if route.name == "list_updates")

    there = await answer(http, stack, route, a_token(stack, f"DeviceUpdateReader/{stack.instance}"))
    elsewhere = await answer(http, stack, route, a_token(stack, "DeviceUpdateReader/elsewhere"))

    assert (there, elsewhere) == (HTTPStatus.OK, HTTPStatus.FORBIDDEN)
