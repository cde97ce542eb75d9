"""Processes of the crash test: forked, killed at a step of theirs, waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import socketserver
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 60.0
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "socket.connect")


def die_at(step: int) -> None:
    """Have this process killed at its n-th step from now; 0 for never."""
    count = 0

    def hook(event: str, _: Any) -> None:
        nonlocal count
        if event in _STEPS:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    if step:
        sys.addaudithook(hook)


def fork(work: Callable[[], None], step: int) -> int:
    """Run something in a child that is killed at a step; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        die_at(step)
        work()
        code = 0
    finally:
        os._exit(code)


def is_alive(child: int) -> bool:
    """Whether a child still runs; one that has ended is let go."""
    if not child:
        return False
    try:
        done, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return False
    _count_death(status if done else 0)
    return not done


DEATHS = [0]


def _count_death(status: int) -> None:
    if os.WIFSIGNALED(status):
        DEATHS[0] += 1


def wait_for(child: int, meanwhile: Callable[[], None]) -> int:
    """The exit code of a child; 137 where it was killed."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _count_death(status)
            return os.waitstatus_to_exitcode(status)
        meanwhile()
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


class _Content(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        # who asked may have been killed
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


def serve_content(folder: Path) -> tuple[int, int]:
    """Serve a folder from a child; returns its process id and its port."""
    server = socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), partial(_Content, directory=str(folder))
    )
    child = os.fork()
    if not child:
        server.serve_forever()
    return child, server.server_address[1]
