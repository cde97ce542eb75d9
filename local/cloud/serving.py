"""How every server of the local stack starts, says that it is ready and stops.

A server gets its listening socket from the supervisor or opens a free loopback port, speaks TLS,
prints one line `ready {"port": N}` to stdout and logs to stderr, one line a record and without
secrets. It stops on SIGTERM, SIGINT or, when leashed, at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import re
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Coroutine

LOOPBACK = "127.0.0.1"
BACKLOG = 512
DRAIN_SECONDS = 5.0
"""Time that requests in progress get to finish once the server is told to stop."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_SECRETS = (
    re.compile(
        r"(?i)([?&;\s](?:sig|se|sp|sv|sr|st|skoid|sktid|skt|ske|sks|skv|spr|sip|si|ss|srt|sdd|saoid"
        r"|suoid|code|token|access_token)=)[^&\s\"'<>#;]+"
    ),
    re.compile(r"(?i)((?:Account|SharedAccess)Key=)[^;\s\"'<>]+"),
    re.compile(r"(?i)(\bBearer\s+)[^\s\"'<>,]+"),
    re.compile(r"()\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"),
)


class ServingError(Exception):
    """The server cannot start with the given socket, port or certificate."""


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all servers of the stack have in common."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--socket-fd", type=int, metavar="N", help="inherited, already bound TCP socket"
    )
    where.add_argument("--port", type=int, default=0, help="loopback port (default: a free one)")
    parser.add_argument("--tls-cert", type=Path, required=True, metavar="FILE", help="PEM chain")
    parser.add_argument("--tls-key", type=Path, required=True, metavar="FILE", help="PEM key")
    parser.add_argument("--leash", action="store_true", help="stop when standard input ends")


def listening_socket(args: argparse.Namespace) -> socket.socket:
    """Return the inherited socket, or a new one bound to the loopback interface.

    Raises:
        ServingError: the descriptor is no socket, or the port is taken.
    """
    if args.socket_fd is not None:
        try:
            sock = socket.socket(fileno=args.socket_fd)
        except OSError as error:
            raise ServingError(f"--socket-fd {args.socket_fd}: {error.strerror}") from error
        sock.set_inheritable(False)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, args.port))
        except OSError as error:
            sock.close()
            raise ServingError(f"--port {args.port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def tls_context(args: argparse.Namespace) -> ssl.SSLContext:
    """Return a server context with the given certificate; TLS 1.2 is the oldest accepted version.

    Raises:
        ServingError: the certificate or its key cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(args.tls_cert, args.tls_key)
    except OSError as error:
        raise ServingError(f"certificate {args.tls_cert}, key {args.tls_key}: {error}") from error
    return context


async def serve_until_stopped(
    args: argparse.Namespace,
    start: Callable[[socket.socket, ssl.SSLContext], Awaitable[Callable[[], Awaitable[None]]]],
) -> None:
    """Start a server, announce it, and stop it when the process is told to end.

    Args:
        args: parsed arguments of `add_serving_arguments`.
        start: begins to serve on the socket and returns the coroutine function that stops serving.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopped.set)
    leash = await _hold_leash(stopped) if args.leash else None
    sock = listening_socket(args)
    port: int = sock.getsockname()[1]
    try:
        stop = await start(sock, tls_context(args))
        try:
            print("ready", json.dumps({"port": port}), flush=True)
            await stopped.wait()
        finally:
            await stop()
    finally:
        sock.close()
        if leash is not None:
            leash.close()


async def serve_application(args: argparse.Namespace, app: web.Application) -> None:
    """Serve an aiohttp application until the process is told to end."""

    async def start(sock: socket.socket, tls: ssl.SSLContext) -> Callable[[], Awaitable[None]]:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        await web.SockSite(runner, sock, ssl_context=tls, backlog=BACKLOG).start()
        return runner.cleanup

    await serve_until_stopped(args, start)


async def run_until_one_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run a server with its background work; when one part ends or fails, stop all the others.

    Raises:
        Exception: what a part failed with; so no part can stop in silence.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled():
            task.result()


def redact(text: str) -> str:
    """Return the text without access keys, signatures and tokens."""
    for secret in _SECRETS:
        text = secret.sub(r"\1REDACTED", text)
    return text


def configure_logging(level: int = logging.INFO) -> None:
    """Send all log records to stderr, each as one line without secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("azure").setLevel(logging.WARNING)


class _OneLineFormatter(logging.Formatter):
    """Redacts after formatting, so that the texts of exceptions are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record)).replace("\r", "").replace("\n", " | ")


class _Leash(asyncio.Protocol):
    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def eof_received(self) -> None:
        self._stopped.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stopped.set()


async def _hold_leash(stopped: asyncio.Event) -> asyncio.ReadTransport:
    """Set the event when stdin ends; on Linux also ask for SIGTERM at the end of the parent thread.

    The signal reaches a process whose parent dies while something else still holds the pipe open.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: _Leash(stopped), sys.stdin
    )
    return transport
