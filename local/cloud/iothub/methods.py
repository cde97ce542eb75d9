"""Direct methods: the hub asks a connected device and waits for its answer."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError, invalid
from local.cloud.iothub.session import METHODS_FILTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.iothub.records import Key
    from local.cloud.iothub.session import Answer, Session, Sessions
    from local.cloud.iothub.twin import Json


class MethodCall(msgspec.Struct, frozen=True, rename="camel"):
    """Body of a direct method request; times are seconds."""

    method_name: str
    payload: msgspec.Raw = msgspec.Raw(b"null")
    response_timeout_in_seconds: int = limits.METHOD_TIMEOUT_DEFAULT
    connect_timeout_in_seconds: int = 0


def parse_call(body: object) -> MethodCall:
    """Read a direct method request.

    Raises:
        HubError: 400.
    """
    try:
        call = msgspec.json.decode(msgspec.json.encode(body), type=MethodCall)
    except msgspec.ValidationError as error:
        raise invalid(f"The method call is malformed: {error}.") from error
    if not 0 < len(call.method_name) <= 128:
        raise invalid("methodName must have 1 to 128 characters.")
    if len(bytes(call.payload)) > limits.METHOD_PAYLOAD_SIZE:
        raise invalid(f"The payload exceeds {limits.METHOD_PAYLOAD_SIZE} bytes.")
    if not 5 <= call.response_timeout_in_seconds <= limits.METHOD_TIMEOUT_MAX:
        raise invalid("responseTimeoutInSeconds must be 5 to 300.")
    if not 0 <= call.connect_timeout_in_seconds <= limits.METHOD_TIMEOUT_MAX:
        raise invalid("connectTimeoutInSeconds must be 0 to 300.")
    return call


@dataclass(slots=True)
class Methods:
    """Calls methods of connected identities."""

    sessions: Sessions
    _request_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def invoke(self, key: Key, call: MethodCall) -> Json:
        """Call a method; return `status` and `payload` of the answer.

        Raises:
            HubError: 404, the identity is not connected; 504, it does not answer in time.
        """
        session = await self.sessions.wait_for_subscriber(
            key, METHODS_FILTER, call.connect_timeout_in_seconds
        )
        if session is None:
            raise _offline(key)
        status, payload = await self._ask(session, call)
        try:
            return {"status": status, "payload": msgspec.json.decode(payload or b"null")}
        except (msgspec.DecodeError, RecursionError) as error:
            raise HubError(502, "InvalidResponse", f"{key} answered without JSON.") from error

    async def _ask(self, session: Session, call: MethodCall) -> Answer:
        rid = f"{next(self._request_ids):x}"
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        session.pending[rid] = answer
        topic = f"$iothub/methods/POST/{quote(call.method_name, safe='')}/?$rid={rid}"
        session.publish(topic, bytes(call.payload), METHODS_FILTER)
        try:
            await asyncio.wait([answer], timeout=call.response_timeout_in_seconds)
        finally:
            session.pending.pop(rid, None)
        if answer.cancelled():
            raise _offline(session.key)
        if not answer.done():
            answer.cancel()
            raise HubError(504, "GatewayTimeout", f"{session.key} did not answer in time.")
        return answer.result()


def _offline(key: Key) -> HubError:
    return HubError(404, "DeviceNotOnline", f"{key} is not connected or listens to no methods.")
