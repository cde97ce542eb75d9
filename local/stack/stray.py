"""Ends what a run of tests or tools has left: no process that it started outlives it.

Whatever is started within `leashed` inherits a mark in its environment, also by children of
children, in sessions of their own, without knowing of it. A small warden holds the reading end of a
pipe: when the run is gone, however that came about, it looks through `/proc` for the mark and ends
who bears it. Needs Linux; elsewhere nothing is marked. Run by its path, with the standard library
alone: `stray.py MARK`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "ODU_RUN"
_PROC = Path("/proc")
_GRACE_MILLISECONDS = 5_000
_ROUNDS = 20


@contextmanager
def leashed() -> Iterator[None]:
    """End every process that was started within the context when it ends, or this process does.

    Within a run that is leashed already nothing is done: the outer one sees to all.
    """
    if MARK in os.environ or not _PROC.is_dir():
        yield
        return
    mark = uuid.uuid4().hex
    warden = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    os.environ[MARK] = mark
    try:
        with warden:  # closes its standard input and waits
            yield
    finally:
        del os.environ[MARK]


def _bearers(mark: str) -> list[int]:
    """Process ids of those that bear the mark, as open descriptors of the processes."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        # a process may be gone at any moment, or be another user's
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(int(folder.name))
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(descriptor)
            else:
                os.close(descriptor)
    return found


def _end(descriptors: list[int], signum: int) -> None:
    """Send a signal to processes and wait for their end, for a while."""
    waiting = select.poll()
    for descriptor in descriptors:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signum)
        waiting.register(descriptor, select.POLLIN)
    left = set(descriptors)
    while left and (ended := waiting.poll(_GRACE_MILLISECONDS)):
        for descriptor, _ in ended:
            waiting.unregister(descriptor)
            left.discard(descriptor)
    for descriptor in descriptors:
        os.close(descriptor)


def main() -> None:
    """Wait for the end of the run, then end what it has left."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    sys.stdin.read()
    for attempt in range(_ROUNDS):
        left = _bearers(sys.argv[1])
        if not left:
            return
        _end(left, signal.SIGKILL if attempt else signal.SIGTERM)


if __name__ == "__main__":
    main()
