"""The state directory: where each thing lies in it, private files, and the locks on it.

Two locks are held with flock, so that no way of dying leaves them behind. `lock` is the
supervisor's. `parts.lock` is inherited by every part, so that a new stack can wait for the last
part of one whose supervisor was killed.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.stack.errors import AlreadyRunning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEFTOVER_SECONDS = 20.0
"""Longest wait for the parts of a killed supervisor; its guardian ends them well before."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """One stack's files; `path` is absolute."""

    path: Path

    def create(self) -> None:
        """Make the directory and its log directory, for this user only."""
        self.log.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    @property
    def description(self) -> Path:
        """What is where, while the stack runs."""
        return self.path / "stack.json"

    @property
    def ca(self) -> Path:
        """Certificate of the stack's own certificate authority."""
        return self.path / "ca.pem"

    @property
    def trust(self) -> Path:
        """What the service trusts: the public authorities and the stack's own."""
        return self.path / "trust.pem"

    @property
    def log(self) -> Path:
        """Directory of the logs of supervisor and parts."""
        return self.path / "log"

    @property
    def keys(self) -> Path:
        """Directory of the root and signing keys of update manifests."""
        return self.path / "keys"

    @property
    def host_keys(self) -> Path:
        """Access keys of the Functions host."""
        return self.path / "host-keys.json"

    @property
    def lock(self) -> Path:
        """Lock of the supervisor; holds its process id."""
        return self.path / "lock"

    @property
    def parts_lock(self) -> Path:
        """Lock held as long as any part runs."""
        return self.path / "parts.lock"


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)


def lock_supervisor(state: StateDirectory) -> int:
    """Take the supervisor's lock and write this process's id into it; return its descriptor.

    Raises:
        AlreadyRunning: another supervisor has it.
    """
    descriptor = os.open(state.lock, os.O_RDWR | os.O_CREAT, 0o600)
    if not _try_lock(descriptor):
        os.close(descriptor)
        raise AlreadyRunning(f"a stack with the state {state.path} is already running")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def lock_parts(state: StateDirectory, say: Callable[[str], None]) -> int:
    """Take the parts' lock, waiting for what an earlier stack left running; return its descriptor.

    Raises:
        AlreadyRunning: something of an earlier stack does not end.
    """
    descriptor = os.open(state.parts_lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    waiting = False
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise AlreadyRunning(f"parts of an earlier stack with the state {state.path} still run")
        if not waiting:
            say("waiting for the parts of a killed stack to end")
            waiting = True
        time.sleep(_POLL_SECONDS)
    return descriptor


def supervisor_pid(state: StateDirectory) -> int | None:
    """Return the process id of the running supervisor; None when none is running."""
    try:
        descriptor = os.open(state.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(descriptor):
            return None
        text = os.pread(descriptor, 32, 0)
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
