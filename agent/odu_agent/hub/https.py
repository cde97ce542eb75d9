"""Small JSON requests over HTTPS, through a proxy, or over a unix socket, with the library alone.

They are made now and then only, so that nothing larger needs to be in memory for them.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..contract.strictjson import loads_object
from . import HubError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_SECONDS = 30.0
_MAXIMUM_BYTES = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """What a service answered; `members` is empty where the body is no JSON object."""

    status: int
    members: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def tls_connection(
    host: str, port: int, context: ssl.SSLContext, proxy: tuple[str, int] | None
) -> http.client.HTTPConnection:
    """HTTPS to a host, through an HTTP proxy if there is one."""
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
    connection = http.client.HTTPSConnection(*proxy, timeout=_TIMEOUT_SECONDS, context=context)
    connection.set_tunnel(host, port)
    return connection


def request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request and close the connection.

    Raises:
        HubError: The answer is none.
        OSError: There is no connection.
    """
    content = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", **(headers or {})}
    if content is not None:
        sent["Content-Type"] = "application/json; charset=utf-8"
    try:
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        data = response.read(_MAXIMUM_BYTES + 1)
        return Answer(response.status, _members(data), dict(response.getheaders()))
    except http.client.HTTPException as error:
        raise HubError(f"no HTTP answer: {type(error).__name__}") from None
    finally:
        connection.close()


def _members(data: bytes) -> dict[str, Any]:
    if len(data) > _MAXIMUM_BYTES:
        raise HubError("the answer is too large")
    try:
        return loads_object(data)
    except ValueError:
        return {}
