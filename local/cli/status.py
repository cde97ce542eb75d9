"""`./odu status`: what of the local stack runs, where, and whether it answers."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import asdict, dataclass

from local.cli.options import add_state, parser
from local.stack.errors import NotRunning
from local.stack.running import Stack
from local.stack.state import StateDirectory, supervisor_pid

ANSWER_SECONDS = 2.0
_STORAGE = ("blob", "queue", "table")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One listening port of the stack."""

    name: str
    pid: int | None
    port: int
    healthy: bool


def main(arguments: list[str]) -> int:
    """Run the command."""
    status = parser("status", "Show what of the local stack runs. Exit code 0: it is up; 1: not.")
    add_state(status)
    status.add_argument("--json", action="store_true", help="print one JSON object")
    given = status.parse_args(arguments)
    state = StateDirectory(given.state.resolve())
    supervisor = supervisor_pid(state)
    try:
        stack = Stack.load(state.path) if supervisor is not None else None
    except NotRunning:  # it is starting or stopping
        stack = None
    parts = [] if stack is None else statuses(stack)
    up = bool(parts) and all(part.healthy for part in parts)
    endpoint = None if stack is None else stack.endpoint
    if given.json:
        document = {
            "up": up,
            "supervisor": supervisor,
            "endpoint": endpoint,
            "parts": [asdict(part) for part in parts],
        }
        print(json.dumps(document, indent=2))
    else:
        _print(supervisor, endpoint, parts)
    return 0 if up else 1


def statuses(stack: Stack) -> list[PartStatus]:
    """Ask every port of a stack for a sign of life."""
    context = ssl.create_default_context(cafile=stack.ca_file)
    found = []
    for name, port in stack.ports.items():
        part = "azurite" if name in _STORAGE else name
        healthy = answers(port, None if part == "azurite" else context)
        label = f"azurite {name}" if part == "azurite" else name
        found.append(PartStatus(label, stack.pids.get(part), port, healthy))
    return found


def answers(port: int, context: ssl.SSLContext | None) -> bool:
    """Say whether a server answers on a loopback port: by a TLS handshake if it speaks TLS.

    A connection alone proves little: the supervisor keeps the ports open while a part restarts.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
            if context is not None:
                context.wrap_socket(connection, server_hostname="localhost").close()
    except OSError:
        return False
    return True


def _print(supervisor: int | None, endpoint: str | None, parts: list[PartStatus]) -> None:
    if supervisor is None:
        print("down")
        return
    if endpoint is None:
        print(f"starting or stopping (supervisor: process {supervisor})")
        return
    print(f"up at {endpoint} (supervisor: process {supervisor})")
    for part in parts:
        health = "ok" if part.healthy else "does not answer"
        print(f"  {part.name:<14} process {part.pid or '-':<8} port {part.port:<6} {health}")
