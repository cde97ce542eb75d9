"""One port for all: proxy, MQTT and HTTPS clients are told apart by their first bytes.

A plain `C` starts the CONNECT request of a client that takes the hub for its HTTP proxy: the device
SDK knows no other way to a port of one's choice. Whatever name it asks for, it reaches this hub.
Then comes TLS, and inside it either an MQTT CONNECT packet, whose first byte is 0x10, or HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from local.cloud.functions_host.event_hub_endpoint import parse_endpoint
from local.cloud.iothub import (
    http_configurations,
    http_jobs,
    http_local,
    http_registry,
    http_twins,
    limits,
    mqtt_server,
)
from local.cloud.iothub.configurations import Configurations
from local.cloud.iothub.event_grid import Sender
from local.cloud.iothub.http_api import add_routes, new_application
from local.cloud.iothub.hub import Hub, Settings, open_hub
from local.cloud.iothub.jobs import JobRunner
from local.cloud.iothub.route import Router

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

_log = logging.getLogger(__name__)
_TLS_HANDSHAKE = b"\x16"
_PROXY_REQUEST = b"C"
_PROXY_REQUEST_SIZE = 8 * 1024
_PROXY_ANSWER = b"HTTP/1.1 200 Connection established\r\n\r\n"
_MQTT_CONNECT = 0x10
_READ_SIZE = 64 * 1024
_DRAIN_TIME = 3.0


async def start_server(
    settings: Settings, sock: socket.socket, context: ssl.SSLContext
) -> Callable[[], Awaitable[None]]:
    """Open the hub and serve it on a bound socket; returns what stops and closes it."""
    hub = await open_hub(settings)
    server = Server(hub, sock, context)
    await server.start()

    async def stop() -> None:
        await server.stop()
        await hub.store.close()

    return stop


class Server:
    """Accepts connections and hands each to its protocol."""

    def __init__(self, hub: Hub, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._hub = hub
        self._sock = sock
        self._context = context
        self._jobs = JobRunner(hub)
        self._configurations = Configurations(hub, hub.settings.configuration_interval)
        self._http = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=2.0, keepalive_timeout=75.0
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to accept connections and to work in the background."""
        await self._http.setup()
        self._sock.listen(1024)
        self._sock.setblocking(False)
        settings = self._hub.settings
        self._spawn(self._background, self._accept())
        self._spawn(self._background, self._jobs.run())
        self._spawn(self._background, self._configurations.run())
        if settings.event_grid_endpoint:
            sender = Sender(
                self._hub.store,
                self._hub.outlet,
                settings.event_grid_endpoint,
                settings.event_grid_key,
            )
            self._spawn(self._background, sender.run())
        if settings.route:
            router = Router(self._hub.store, self._hub.outlet, parse_endpoint(settings.route))
            self._spawn(self._background, router.run())

    async def stop(self) -> None:
        """Close all connections and end the background work."""
        await _cancel(self._background)
        self._hub.outlet.end_waiting()
        self._hub.sessions.disconnect_all()
        await self._http.cleanup()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_DRAIN_TIME)
        await _cancel(self._tasks)

    def serve_mqtt(self, transport: asyncio.Transport, first: bytes) -> None:
        """Serve a TLS connection that starts with an MQTT packet."""
        reader = asyncio.StreamReader(_READ_SIZE)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        self._spawn(self._tasks, mqtt_server.serve(self._hub, _StreamLink(reader, writer)))

    def serve_http(self, transport: asyncio.Transport, first: bytes) -> None:
        """Serve a TLS connection that starts with something else."""
        assert self._http.server is not None
        handler = self._http.server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(first)

    def _application(self) -> web.Application:
        app = new_application()
        app.router.add_get("/$iothub/websocket", self._websocket)
        # Before the twins, of which `partitions` would otherwise be one.
        add_routes(app, self._hub, http_local.ROUTES)
        add_routes(app, self._hub, http_registry.ROUTES)
        add_routes(app, self._hub, http_twins.ROUTES)
        add_routes(app, self._hub, http_jobs.routes(self._jobs))
        add_routes(app, self._hub, http_configurations.routes(self._configurations))
        return app

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        socket_ = web.WebSocketResponse(
            protocols=("mqtt",), max_msg_size=limits.PACKET_SIZE, compress=False
        )
        await socket_.prepare(request)
        await mqtt_server.serve(self._hub, _WebSocketLink(socket_, request))
        return socket_

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError as error:
                _log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(0.1)
                continue
            http = len(self._http.server.connections) if self._http.server else 0
            if len(self._tasks) + http >= limits.CONNECTIONS:
                connection.close()
                continue
            self._spawn(self._tasks, self._begin(connection))

    async def _begin(self, connection: socket.socket) -> None:
        """Read what comes before TLS, then let TLS begin."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(limits.HANDSHAKE_TIME):
                first = await _peek(connection)
                if first == _PROXY_REQUEST:
                    await _answer_proxy_request(connection)
                    first = await _peek(connection)
            if first != _TLS_HANDSHAKE:
                connection.close()
                return
            await loop.connect_accepted_socket(
                lambda: _Demux(self),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=limits.HANDSHAKE_TIME,
                ssl_shutdown_timeout=1.0,
            )
        except (OSError, TimeoutError) as error:
            _log.debug("connection closed before TLS: %s", error)
            connection.close()

    def _spawn(
        self, tasks: set[asyncio.Task[None]], coroutine: Coroutine[object, object, None]
    ) -> None:
        task = asyncio.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_report)


class _Demux(asyncio.Protocol):
    """Waits for the first decrypted bytes and chooses the protocol."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(limits.HANDSHAKE_TIME, transport.abort)

    def data_received(self, data: bytes) -> None:
        assert self._transport
        assert self._idle
        self._idle.cancel()
        if data[0] == _MQTT_CONNECT:
            self._server.serve_mqtt(self._transport, data)
        else:
            self._server.serve_http(self._transport, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle:
            self._idle.cancel()


class _StreamLink:
    """A device on a TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def certificate(self) -> bytes | None:
        return _certificate(self._writer.transport)

    async def receive(self) -> bytes:
        return await self._reader.read(_READ_SIZE)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class _WebSocketLink:
    """A device on a websocket; packets come in binary messages, cut anywhere."""

    def __init__(self, websocket: web.WebSocketResponse, request: web.Request) -> None:
        self._websocket = websocket
        self._request = request

    @property
    def certificate(self) -> bytes | None:
        return _certificate(self._request.transport)

    async def receive(self) -> bytes:
        message = await self._websocket.receive()
        return bytes(message.data) if message.type is WSMsgType.BINARY else b""

    async def send(self, data: bytes) -> None:
        await self._websocket.send_bytes(data)

    def close(self) -> None:
        if self._request.transport:
            self._request.transport.close()

    def abort(self) -> None:
        if self._request.transport:
            self._request.transport.abort()


def _certificate(transport: asyncio.BaseTransport | None) -> bytes | None:
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport else None
    return tls.getpeercert(binary_form=True) if tls else None


async def _peek(connection: socket.socket) -> bytes:
    """Return the first waiting byte, which stays to be read."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)


async def _answer_proxy_request(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = await loop.sock_recv(connection, _PROXY_REQUEST_SIZE)
        head += data
        if not data or len(head) > _PROXY_REQUEST_SIZE or not b"CONNECT ".startswith(head[:8]):
            raise ConnectionAbortedError("no CONNECT request")
    await loop.sock_sendall(connection, _PROXY_ANSWER)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    running = tuple(tasks)
    for task in running:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*running, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("a task of the hub failed", exc_info=error)
