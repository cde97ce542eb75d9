"""A client of the service's REST API: token, trust, pages, long-running operations and errors.

The demo, the tests and the operator's commands all go through it. The HTTP library is loaded with
the first connection, so that whoever only names the errors need not wait for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import aiohttp

    from odu_cli.target import ServiceTarget

API_VERSION = "2022-10-01"
UNEXPECTED_ANSWER = "UnexpectedAnswer"
"""Code of the error for an answer that is not one of this API."""
_POLL_SECONDS = 0.25
_TIMEOUT_SECONDS = 30.0
_BUSY = (429, 503)
_LONGEST_WAIT_SECONDS = 30.0


class RestError(Exception):
    """The service refused a request; `error` is the `Error` object of its answer."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {error.get('code', '')}: {error.get('message', '')}")
        self.status = status
        self.error = error


class Unreachable(Exception):
    """No answer came; the message says from where, and why."""


def path(*segments: str, **query: str | None) -> str:
    """A path below an instance; segments and values are escaped, values of None left out.

    The method suffix of a resource, such as `:cancel`, is appended by the caller.
    """
    escaped = "/".join(quote(segment, safe="") for segment in segments)
    given = {name: value for name, value in query.items() if value is not None}
    return escaped + (f"?{urlencode(given, quote_via=quote)}" if given else "")


def update_path(update_id: Mapping[str, str]) -> str:
    """Where an update is, below an instance."""
    provider, name, version = (update_id[part] for part in ("provider", "name", "version"))
    return path("updates", "providers", provider, "names", name, "versions", version)


def deployment_path(group: str, deployment: str) -> str:
    """Where a deployment is, below an instance."""
    return path("management", "groups", group, "deployments", deployment)


class Rest:
    """A client of one instance; an async context manager.

    Args:
        target: The instance.
        patience: How often a request is sent again that is answered with 429 or 503.
    """

    def __init__(self, target: ServiceTarget, *, patience: int = 0) -> None:
        self._target = target
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    @property
    def instance(self) -> str:
        """Id of the instance."""
        return self._target.instance

    async def __aenter__(self) -> Self:
        """Open the connections."""
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._target.trust()),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
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

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Any, Any]:
        """Send a request; the headers and the JSON body of the answer.

        Args:
            method: HTTP method.
            path: Below the instance, or as the service gave it: from the root, with its
                api-version.
            body: Sent as JSON, if not None.
            headers: Further headers: conditions, say.

        Raises:
            RestError: The answer is an error, or not one of this API.
            Unreachable: There is no answer.
        """
        address = self._address(path)
        for left in range(self._patience, -1, -1):
            status, answered, text = await self._send(method, address, body, headers or {})
            if status not in _BUSY or not left:
                break
            await asyncio.sleep(_seconds_to_wait(answered))
        return answered, _content(status, text)

    def _address(self, path: str) -> str:
        if path.startswith("/"):
            return self._target.endpoint + path
        separator = "&" if "?" in path else "?"
        instance = quote(self._target.instance, safe="")
        return (
            f"{self._target.endpoint}/deviceUpdate/{instance}/{path}"
            f"{separator}api-version={API_VERSION}"
        )

    async def _send(
        self, method: str, address: str, body: object, further: Mapping[str, str]
    ) -> tuple[int, Any, bytes]:
        import aiohttp
        from yarl import URL

        assert self._session is not None
        headers = {**further, "Authorization": f"Bearer {await self._target.tokens.token()}"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        try:
            async with self._session.request(
                method,
                URL(address, encoded=True),
                json=body,
                headers=headers,
                allow_redirects=False,  # the token is for this service alone
            ) as response:
                return response.status, response.headers, await response.read()
        except TimeoutError:
            reason = f"no answer within {_TIMEOUT_SECONDS:g} s"
        except aiohttp.ClientConnectorCertificateError as error:
            cause = error.certificate_error
            reason = f"its certificate is not trusted: {getattr(cause, 'verify_message', cause)}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = _reason(error)
        raise Unreachable(f"{self._target.endpoint} cannot be reached: {reason}")

    async def get(self, path: str) -> Any:
        """Read a resource."""
        return (await self.request("GET", path))[1]

    async def items(self, path: str) -> AsyncIterator[Any]:
        """Everything that a list holds, page by page."""
        link: str | None = path
        while link:
            page = await self.get(link)
            for item in page["value"]:
                yield item
            link = page.get("nextLink")
            if link and not link.startswith("/deviceUpdate/"):
                raise RestError(200, _foreign("leads to a page outside of it"))

    async def import_update(self, items: list[dict[str, Any]]) -> str:
        """Start an import; the path of its operation."""
        headers, _ = await self.request("POST", "updates:import", items)
        return str(headers["Operation-Location"])

    async def finished(
        self, operation: str, on_progress: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Mapping[str, Any]:
        """Wait until an operation has ended; its last state."""
        async for state in self.states(operation):
            if on_progress is not None:
                on_progress(state)
        return state

    async def states(self, operation: str) -> AsyncIterator[Mapping[str, Any]]:
        """The state of an operation, again and again until it has ended."""
        while True:
            state: Mapping[str, Any] = await self.get(operation)
            yield state
            if state["status"] in ("Succeeded", "Failed"):
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def deploy(
        self,
        group: str,
        update_id: Mapping[str, str],
        deployment: str | None = None,
        *,
        starts_at: str = "2020-01-01T00:00:00Z",
        rollback_policy: Mapping[str, Any] | None = None,
        rollout: Mapping[str, Any] | None = None,
        only_new: bool = False,
    ) -> str:
        """Deploy an update to a group, by default at once; the deployment's id.

        With `only_new` a deployment that the group has already under that id is left alone: the
        answer is an error with the status 412.
        """
        identity = deployment or f"d-{uuid.uuid4().hex[:12]}"
        body: dict[str, Any] = {
            "deploymentId": identity,
            "groupId": group,
            "startDateTime": starts_at,
            "update": {"updateId": dict(update_id)},
        }
        if rollback_policy is not None:
            body["rollbackPolicy"] = rollback_policy
        if rollout is not None:
            body["rollout"] = rollout
        await self.request(
            "PUT",
            deployment_path(group, identity),
            body,
            headers={"If-None-Match": "*"} if only_new else None,
        )
        return identity


def _seconds_to_wait(headers: Mapping[str, str]) -> float:
    given = headers.get("Retry-After", "")
    return min(float(given) if given.isdigit() else 1.0, _LONGEST_WAIT_SECONDS)


def _reason(error: Exception) -> str:
    """Why there is no connection, in the words of the system if it is the one to blame."""
    cause: Any = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    if number:  # those of name resolution are negative
        return os.strerror(number) if number > 0 else str(cause.strerror)
    return str(error) or type(error).__name__


def _content(status: int, text: bytes) -> Any:
    try:
        content = json.loads(text) if text else None
    except ValueError:
        raise RestError(status, _foreign("is not JSON")) from None
    if 200 <= status < 300:
        return content
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        raise RestError(status, _foreign("does not say what is wrong"))
    raise RestError(status, error)


def _foreign(what: str) -> Mapping[str, str]:
    return {
        "code": UNEXPECTED_ANSWER,
        "message": f"The answer {what}; is this the address of a Device Update service?",
    }
