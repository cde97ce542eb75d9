"""The hub over MQTT 3.1.1, by paho driven from the event loop: no thread and no polling.

Every connection is a fresh one (clean session) that subscribes, so that nothing of a lost one is
sent again behind the reporter's back; what was missed meanwhile is found by fetching the twin.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..contract.twin import MODEL_ID
from . import PASSING_ERRORS, CredentialsError, HubError, RefusedError
from .identity import MQTT_PORT, TOKEN_SECONDS, WEBSOCKET_PORT
from .link import Link, open_link

if TYPE_CHECKING:
    from collections.abc import Callable

    from .identity import ClientCertificate, HubIdentity, IdentitySource

logger = logging.getLogger(__name__)

_API_VERSION = "2021-04-12"
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 300.0
_ANSWER_SECONDS = 60.0
_RENEW_AFTER = 0.85
"""The share of a token's life after which a new connection with a new token replaces the old."""
_THROTTLED = 429
_GONE = "the connection was lost"


class MqttHubClient:
    """A device's connection, kept up until it is shut down.

    Args:
        source: Who the device is.
        context: Makes the TLS context.
        proxy: Host and port of an HTTP proxy.
        use_websockets: MQTT over websockets.
        token_seconds: How long a token is valid.
        first_wait_seconds: Before the second try to connect; doubles, with jitter.
    """

    def __init__(
        self,
        source: IdentitySource,
        context: Callable[[ClientCertificate | None], ssl.SSLContext],
        *,
        proxy: tuple[str, int] | None = None,
        use_websockets: bool = False,
        token_seconds: float = TOKEN_SECONDS,
        first_wait_seconds: float = _FIRST_WAIT_SECONDS,
    ) -> None:
        self.on_twin_desired_properties_patch_received: Any = None
        self.identity: tuple[str, str | None] = ("", None)
        self._source = source
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._proxy = proxy
        self._use_websockets = use_websockets
        self._token_seconds = token_seconds
        self._first_wait_seconds = first_wait_seconds
        self._link: Link | None = None
        self._is_linked = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[tuple[int, bytes]]] = {}
        self._last_request = 0

    async def connect(self) -> None:
        """Connect once; then keep connected.

        Raises:
            HubError, OSError: It does not work now.
        """
        if self._keeper is None:
            await self._open()
            self._keeper = asyncio.create_task(self._keep())

    async def get_twin(self) -> dict[str, Any]:
        """Fetch the twin.

        Raises:
            HubError: The hub does not give it.
        """
        twin = json.loads(await self._ask("$iothub/twin/GET/?$rid={}", b" "))
        if not isinstance(twin, dict):
            raise HubError("the hub sent no twin")
        return twin

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        """Report.

        Raises:
            RefusedError: It never will be taken.
            HubError: It was not taken now.
        """
        body = json.dumps(reported_properties_patch, separators=(",", ":")).encode()
        await self._ask("$iothub/twin/PATCH/properties/reported/?$rid={}", body)

    async def shutdown(self) -> None:
        """Close the connection, for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._link is not None:
            await self._link.disconnect()
            self._forget_link()

    async def _ask(self, topic: str, body: bytes) -> bytes:
        await self._is_linked.wait()
        if self._link is None:
            raise HubError(_GONE)
        self._last_request += 1
        request = str(self._last_request)
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            self._link.publish(topic.format(request), body)
            status, content = await asyncio.wait_for(answer, _ANSWER_SECONDS)
        finally:
            self._answers.pop(request, None)
        if 200 <= status < 300:
            return content
        if 400 <= status < 500 and status != _THROTTLED:
            raise RefusedError(status)
        raise HubError(f"the hub answered {status}")

    async def _keep(self) -> None:
        """Open the connection again whenever it was lost, and before its token expires."""
        while True:
            assert self._link is not None
            why = await self._link.wait_closed(self._token_seconds * _RENEW_AFTER)
            if why is None:
                logger.debug("the token is renewed")
                await self._link.disconnect()
            else:
                logger.warning("%s: %s", _GONE, why)
            self._forget_link()
            await self._reopen()

    async def _reopen(self) -> None:
        for wait in waits(self._first_wait_seconds):
            try:
                await self._open()
                await self._catch_up()
            except PASSING_ERRORS as error:
                logger.warning("no connection to the hub: %s", describe(error))
                await asyncio.sleep(wait)
            else:
                return

    async def _catch_up(self) -> None:
        section = (await self.get_twin()).get("desired")
        if isinstance(section, dict):
            await self._hand_over({"$metadata": {}, **section})

    async def _open(self) -> None:
        self._forget_link()
        try:
            identity = await asyncio.to_thread(self._source.resolve)
            self.identity = (identity.device_id, identity.module_id)
            link = await open_link(
                client_id=identity.client_id,
                address=self._address(identity),
                user=_user(identity),
                password=await self._password(identity),
                context=await self._tls(identity),
                proxy=self._proxy,
                use_websockets=self._use_websockets,
                on_message=self._receive,
            )
        except CredentialsError:
            self._source.forget()
            raise
        self._link = link
        self._is_linked.set()

    def _address(self, identity: HubIdentity) -> tuple[str, int]:
        where = identity.gateway or identity.hub
        usual = WEBSOCKET_PORT if self._use_websockets else MQTT_PORT
        return where.host, where.port or usual

    async def _password(self, identity: HubIdentity) -> str | None:
        expires_at = int(time.time() + self._token_seconds)
        return await asyncio.to_thread(identity.password, expires_at)

    async def _tls(self, identity: HubIdentity) -> ssl.SSLContext:
        if self._context is None or identity.certificate is not None:
            # A certificate may have been renewed on the disk.
            self._context = await asyncio.to_thread(self._make_context, identity.certificate)
        return self._context

    def _forget_link(self) -> None:
        self._link = None
        self._is_linked.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(HubError(_GONE))

    def _receive(self, topic: str, payload: bytes) -> None:
        prefix, _, query = topic.partition("/?")
        fields = dict(part.partition("=")[::2] for part in query.split("&"))
        if prefix.startswith("$iothub/twin/res/"):
            answer = self._answers.get(fields.get("$rid", ""))
            status = prefix.rpartition("/")[2]
            if answer is not None and not answer.done() and status.isdecimal():
                answer.set_result((int(status), payload))
        elif prefix.startswith("$iothub/twin/PATCH/properties/desired"):
            self._receive_patch(payload)

    def _receive_patch(self, payload: bytes) -> None:
        try:
            patch = json.loads(payload)
        except (ValueError, RecursionError):
            logger.warning("the hub sent a patch that is no JSON")
            return
        task = asyncio.ensure_future(self._hand_over(patch))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _hand_over(self, section: Any) -> None:
        if self.on_twin_desired_properties_patch_received is not None:
            await self.on_twin_desired_properties_patch_received(section)


def waits(first: float, longest: float = _LONGEST_WAIT_SECONDS) -> Any:
    """Seconds to wait between tries: doubling, and spread so that a fleet does not come at once."""
    wait = first
    while True:
        yield wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        wait = min(wait * 2, longest)


def describe(error: BaseException) -> str:
    """An error of the network in one line, without what others wrote."""
    if isinstance(error, HubError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {error.verify_message}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{f': {text}' if text else ''}"


def _user(identity: HubIdentity) -> str:
    model = quote(MODEL_ID, safe="")
    query = f"api-version={_API_VERSION}&DeviceClientType=odu-agent&model-id={model}"
    return f"{identity.hub.host}/{identity.client_id}/?{query}"
