"""The loopback ports of a stack: the same ones at each start, because devices hold URLs with them.

The supervisor opens the sockets itself and listens on them before any part runs. So no other
program can slip in between, and callers of a part that restarts wait in the queue instead of being
refused.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from local.stack.errors import PortTaken
from local.stack.state import StateDirectory, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LOOPBACK = "127.0.0.1"
BACKLOG = 512


def listen(port: int) -> socket.socket:
    """Return a listening loopback socket; port 0 takes a free one.

    Raises:
        PortTaken: the port belongs to another program, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise PortTaken(f"port {port} cannot be used: {reason}") from error
    return listener


def open_sockets(
    names: Iterable[str],
    remembered: Mapping[str, int],
    demanded: Mapping[str, int],
    say: Callable[[str], None],
) -> dict[str, socket.socket]:
    """Open one socket for each name, on its demanded or else its remembered port.

    Raises:
        PortTaken: a demanded port is not free. A remembered one that is not free is replaced.
    """
    sockets: dict[str, socket.socket] = {}
    try:
        for name in names:
            if name in demanded:
                sockets[name] = listen(demanded[name])
            else:
                sockets[name] = listen(free_or_zero(name, remembered, say))
    except PortTaken:
        for opened in sockets.values():
            opened.close()
        raise
    return sockets


def free_or_zero(name: str, remembered: Mapping[str, int], say: Callable[[str], None]) -> int:
    """Return the remembered port of a name, or 0 (take a free one) when it is unknown or taken."""
    port = remembered.get(name, 0)
    if port == 0:
        return 0
    try:
        listen(port).close()
    except PortTaken:
        say(f"{name}: its earlier port {port} is taken, using another one")
        return 0
    return port


def remembered_ports(state: StateDirectory) -> dict[str, int]:
    """Return the ports of the last start; nothing when there was none."""
    try:
        ports = json.loads((state.path / "ports.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int)}


def remember_ports(state: StateDirectory, ports: Mapping[str, int]) -> None:
    """Keep the ports for the next start."""
    write_private(state.path / "ports.json", json.dumps(dict(ports), indent=2).encode())
