"""Requests of any shape, for tests of what the REST API refuses."""

from __future__ import annotations

import io
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from local.stack.running import Stack

API_VERSION = "2022-10-01"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `error` is the `Error` object of an error response."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        assert isinstance(self.body, dict), self
        error = self.body["error"]
        assert error["code"]
        assert error["message"]
        assert set(self.body) == {"error"}
        return dict(error)


class Api:
    """Sends what it is told to send, correct or not."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self._session = session
        self._token = stack.token()

    async def send(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        token: str | None = "",
        version: str | None = API_VERSION,
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request below an instance; `path` is escaped already.

        Args:
            method: HTTP method.
            path: Below the instance.
            data: Body.
            token: Bearer token; a good one if empty, none at all if None.
            version: `api-version`, left out if None.
            instance: The instance, that of the stack by default.
            headers: More headers.
        """
        given = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            given["Authorization"] = f"Bearer {token or self._token}"
        separator = "&" if "?" in path else "?"
        query = f"{separator}api-version={version}" if version is not None else ""
        base = f"{self.stack.endpoint}/deviceUpdate/{instance or self.stack.instance}"
        address = URL(f"{base}/{path}{query}", encoded=True)
        async with self._session.request(
            method, address, data=io.BytesIO(data or b""), headers=given
        ) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else await response.read()
            return Answer(response.status, dict(response.headers), body)


@pytest.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[Api]:
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Api(stack, session)
