"""The service's REST API as the local tools use it: token, certificate authority, long-running
operations.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.stack.running import Stack

API_VERSION = "2022-10-01"
_POLL_SECONDS = 0.25
_TIMEOUT_SECONDS = 30.0


class RestError(Exception):
    """The service refused a request; `error` is the `Error` object of its answer."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {error.get('code', '')}: {error.get('message', '')}")
        self.status = status
        self.error = error


@dataclass(slots=True)
class Rest:
    """A client of one instance of a running stack; an async context manager."""

    stack: Stack
    role: str = "Administrator"
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        context = ssl.create_default_context(cafile=self.stack.ca_file)
        self._session = aiohttp.ClientSession(
            base_url=self.stack.endpoint,
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
            headers={"Authorization": f"Bearer {self.stack.token(self.role)}"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        assert self._session is not None
        await self._session.close()

    async def request(self, method: str, path: str, body: object = None) -> tuple[Any, Any]:
        """Send a request below the instance; the headers and the JSON body of the answer.

        Raises:
            RestError: The answer is an error.
        """
        assert self._session is not None
        separator = "&" if "?" in path else "?"
        address = path
        if not path.startswith("/"):
            address = f"/deviceUpdate/{self.stack.instance}/{path}"
            address += f"{separator}api-version={API_VERSION}"
        async with self._session.request(method, address, json=body) as response:
            content = await response.json(content_type=None) if response.content_length else None
            if response.status >= 400:
                raise RestError(response.status, (content or {}).get("error", {}))
            return response.headers, content

    async def get(self, path: str) -> Any:
        """Read a resource."""
        return (await self.request("GET", path))[1]

    async def import_update(self, items: list[dict[str, Any]]) -> str:
        """Start an import; the path of its operation."""
        headers, _ = await self.request("POST", "updates:import", items)
        return str(headers["Operation-Location"])

    async def finished(
        self, operation: str, on_progress: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Mapping[str, Any]:
        """Wait until an operation has ended; its last state."""
        while True:
            state: Mapping[str, Any] = await self.get(operation)
            if on_progress is not None:
                on_progress(state)
            if state["status"] in ("Succeeded", "Failed"):
                return state
            await asyncio.sleep(_POLL_SECONDS)

    async def deploy(
        self, group: str, update_id: Mapping[str, str], deployment: str | None = None
    ) -> str:
        """Deploy an update to a group at once; the deployment's id."""
        identity = deployment or f"d-{uuid.uuid4().hex[:12]}"
        await self.request(
            "PUT",
            f"management/groups/{group}/deployments/{identity}",
            {
                "deploymentId": identity,
                "groupId": group,
                "startDateTime": "2020-01-01T00:00:00Z",
                "update": {"updateId": dict(update_id)},
            },
        )
        return identity
