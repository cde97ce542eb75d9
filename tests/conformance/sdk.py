"""The public SDK, unmodified, sync or async, led to the stack by a transport of its own.

The SDK can reach port 443 of a named host only: the transport changes the address on the way out
and changes it back, so that a retry still looks as the SDK made it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit, urlunsplit

from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.iot.deviceupdate import DeviceUpdateClient
from azure.iot.deviceupdate.aio import DeviceUpdateClient as AsyncDeviceUpdateClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.packages import Package

HOST = "device-update.test"
VERSIONS = ("2022-10-01", "2026-06-01")


class Credential:
    """Gives out one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://api.adu.microsoft.com/.default",)
        return AccessToken(self._token, int(time.time()) + 3600)


class AsyncCredential:
    """The same for the async client."""

    def __init__(self, token: str) -> None:
        self._credential = Credential(token)

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return self._credential.get_token(*scopes, **options)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


def _led_to(endpoint: str, url: str) -> str:
    target, parts = urlsplit(endpoint), urlsplit(url)
    assert parts.netloc == HOST
    return urlunsplit((target.scheme, target.netloc, parts.path, parts.query, ""))


class Transport(RequestsTransport):
    """Sends to the stack what is meant for `HOST`."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(connection_verify=stack.ca_file)
        self._endpoint = stack.endpoint

    def send(self, request: Any, **options: Any) -> Any:
        original = request.url
        request.url = _led_to(self._endpoint, original)
        try:
            return super().send(request, **options)
        finally:
            request.url = original


class AsyncTransport(AioHttpTransport):
    """The same for the async client."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(connection_verify=stack.ca_file)
        self._endpoint = stack.endpoint

    async def send(self, request: Any, **options: Any) -> Any:
        original = request.url
        request.url = _led_to(self._endpoint, original)
        try:
            return await super().send(request, **options)
        finally:
            request.url = original


class Sdk:
    """Calls operations of one client by name, in the way of its kind."""

    def __init__(self, client: Any, *, is_async: bool) -> None:
        self._groups = (client.device_update, client.device_management)
        self._is_async = is_async

    async def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """The result of an operation of devices or of updates."""
        method = self._method(operation)
        if self._is_async:
            return await method(*arguments, **options)
        return await asyncio.to_thread(method, *arguments, **options)

    async def items(self, operation: str, *arguments: Any, **options: Any) -> list[Any]:
        """Everything that an operation lists, page by page."""
        method = self._method(operation)
        if self._is_async:
            return [item async for item in method(*arguments, **options)]
        return await asyncio.to_thread(lambda: list(method(*arguments, **options)))

    async def finish(self, operation: str, *arguments: Any) -> Any:
        """The result of a long-running operation."""
        poller = await self.call(operation, *arguments)
        return await poller.result() if self._is_async else await asyncio.to_thread(poller.result)

    def _method(self, operation: str) -> Any:
        """Find an operation; `..._of_updates` tells apart what both groups have."""
        updates, management = self._groups
        if operation.endswith("_of_updates"):
            return getattr(updates, operation.removesuffix("_of_updates"))
        return getattr(management if hasattr(management, operation) else updates, operation)


@asynccontextmanager
async def sdk(
    stack: Stack,
    *,
    is_async: bool,
    api_version: str,
    token: str | None = None,
    instance: str | None = None,
) -> AsyncIterator[Sdk]:
    """A client for as long as the block lasts."""
    given = {"api_version": api_version, "polling_interval": 30}
    where = (HOST, instance or stack.instance)
    bearer = token or stack.token()
    async with AsyncExitStack() as cleanup:
        client: Any
        if is_async:
            client = AsyncDeviceUpdateClient(
                *where, AsyncCredential(bearer), transport=AsyncTransport(stack), **given
            )
            await cleanup.enter_async_context(client)
        else:
            client = DeviceUpdateClient(
                *where, Credential(bearer), transport=Transport(stack), **given
            )
            cleanup.enter_context(client)
        yield Sdk(client, is_async=is_async)


def deployment(group: str, identity: str, package: Package) -> dict[str, Any]:
    """The body of a deployment that has started."""
    return {
        "deploymentId": identity,
        "groupId": group,
        "startDateTime": "2020-01-01T00:00:00Z",
        "update": {"updateId": package.update_id},
    }
