"""One MQTT connection: opened in a thread, then served by the event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from . import CredentialsError, HubError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import paho.mqtt.client as mqtt

logger = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 120
_LOOK_SECONDS = 40.0
"""How often the client looks whether a ping is due: the only wake-up of an idle agent."""
_CONNECT_SECONDS = 30.0
_TOPICS = ("$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#")
_BAD_CREDENTIALS = (4, 5, 134, 135)
_REASONS = {
    1: "the hub does not speak this protocol",
    2: "the hub does not allow this device id",
    3: "the hub is not available",
    4: "the hub does not accept the user name",
    5: "the hub does not accept the device's credentials",
}
_SUBSCRIPTION_REFUSED = 128


async def open_link(
    *,
    client_id: str,
    address: tuple[str, int],
    user: str,
    password: str | None,
    context: ssl.SSLContext,
    proxy: tuple[str, int] | None,
    use_websockets: bool,
    on_message: Callable[[str, bytes], None],
) -> Link:
    """Connect and subscribe to the twin.

    Raises:
        HubError: The hub refuses.
        OSError: It is not reached.
    """
    client = _new_client(client_id, use_websockets=use_websockets)
    client.username_pw_set(user, password)
    client.tls_set_context(context)
    if use_websockets:
        client.ws_set_options(path="/$iothub/websocket")
    if proxy is not None:
        import socks

        client.proxy_set(proxy_type=socks.HTTP, proxy_addr=proxy[0], proxy_port=proxy[1])
    link = Link(client, on_message)
    try:
        await asyncio.to_thread(_connect, client, address)
        await asyncio.wait_for(link.start(), _CONNECT_SECONDS)
    except BaseException:
        link.close("it was not completed")
        raise
    return link


class Link:
    """A connection; what arrives on it is handed to `on_message` as topic and payload."""

    def __init__(self, client: mqtt.Client, on_message: Callable[[str, bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._on_message = on_message
        self._socket: Any = None
        self._ping: asyncio.TimerHandle | None = None
        self._admitted: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[str] = self._loop.create_future()
        client.on_connect = self._connected
        client.on_subscribe = self._granted
        client.on_message = self._message
        client.on_disconnect = self._lost

    async def start(self) -> None:
        """Serve the socket of a client that has sent CONNECT, until both topics are granted."""
        client = self._client
        self._socket = client.socket()
        if self._socket is None:
            raise HubError("the hub closed the connection")
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._has_written
        client.on_socket_close = self._unwatch
        self._loop.add_reader(self._socket, self._read)
        if client.want_write():
            self._wants_to_write()
        self._look()
        self._read()
        await self._admitted
        client.subscribe([(topic, 1) for topic in _TOPICS])
        await self._subscribed

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message."""
        self._client.publish(topic, payload, qos=1)

    async def wait_closed(self, seconds: float) -> str | None:
        """Wait until the connection is lost and return why; None once the time is over."""
        done, _ = await asyncio.wait([self._closed], timeout=seconds)
        return self._closed.result() if done else None

    async def disconnect(self) -> None:
        """Say good-bye and close."""
        if not self._closed.done():
            self._client.disconnect()
            self.close("it was closed")
        await asyncio.sleep(0)

    def close(self, why: str) -> None:
        """Let go of the socket."""
        if self._ping is not None:
            self._ping.cancel()
        if self._socket is not None:
            closed = self._socket
            self._unwatch()
            closed.close()
        self._let_go()
        for future in (self._admitted, self._subscribed):
            if not future.done():
                future.set_exception(HubError(why))
                future.exception()
        if not self._closed.done():
            self._closed.set_result(why)

    def _unwatch(self, *_: Any) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None

    def _let_go(self) -> None:
        """The client closes what it has left when nothing refers to it any more."""
        client = self._client
        client.on_connect = client.on_subscribe = client.on_message = client.on_disconnect = None
        client.on_socket_register_write = client.on_socket_unregister_write = None
        client.on_socket_close = None

    def _read(self) -> None:
        while self._socket is not None:
            self._client.loop_read()
            if self._socket is None or not self._socket.pending():
                return

    def _write(self) -> None:
        self._client.loop_write()

    def _wants_to_write(self, *_: Any) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket, self._write)

    def _has_written(self, *_: Any) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _look(self) -> None:
        self._client.loop_misc()
        if self._socket is not None:
            self._ping = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, *_: Any) -> None:
        code = getattr(reason, "value", reason)
        if code == 0:
            _resolve(self._admitted)
            return
        message = _REASONS.get(code, f"the hub refuses the connection with code {code}")
        kind = CredentialsError if code in _BAD_CREDENTIALS else HubError
        if not self._admitted.done():
            self._admitted.set_exception(kind(message))

    def _granted(self, _client: Any, _data: Any, _mid: Any, granted: Any, *_: Any) -> None:
        codes = [getattr(code, "value", code) for code in granted]
        if any(code >= _SUBSCRIPTION_REFUSED for code in codes):
            self.close("the hub grants no subscription to the twin")
        else:
            _resolve(self._subscribed)

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        self._on_message(message.topic, message.payload)

    def _lost(self, *_: Any) -> None:
        # Not from within the client's own reading or writing.
        self._loop.call_soon(self.close, "the hub or the network closed the connection")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _new_client(client_id: str, *, use_websockets: bool) -> mqtt.Client:
    import paho.mqtt.client as mqtt

    options: dict[str, Any] = {
        "client_id": client_id,
        "clean_session": True,
        "protocol": mqtt.MQTTv311,
        "transport": "websockets" if use_websockets else "tcp",
    }
    if hasattr(mqtt, "CallbackAPIVersion"):  # paho 2
        options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
    return mqtt.Client(**options)


def _connect(client: mqtt.Client, address: tuple[str, int]) -> None:
    client.connect_timeout = _CONNECT_SECONDS
    try:
        client.connect(*address, keepalive=_KEEP_ALIVE_SECONDS)
    except OSError:
        raise
    except ValueError as error:
        # Such as an answer that is no upgrade to websockets: a portal's or a proxy's, perhaps.
        raise HubError(f"no MQTT at the hub's address: {type(error).__name__}") from None
