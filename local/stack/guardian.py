"""The last resort against orphans: kills what a vanished supervisor's parts did not end themselves.

A small process in whose group all parts run. When the supervisor is gone, however that came about,
the guardian's standard input ends. It then waits for the parts' lock, which is free once the last
part has ended; if that takes too long it kills the group, itself included. Run by its path, with
the standard library alone: `guardian.py LOCK GRACE_SECONDS`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def guardian(parts_lock: Path, grace_seconds: float) -> Iterator[int]:
    """Run a guardian for the length of the context; return the process group it guards."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(parts_lock), str(grace_seconds)],
        stdin=subprocess.PIPE,
        process_group=0,
    )
    with process:  # closes its standard input and waits
        yield process.pid


def main() -> None:
    """Guard this process's group."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    lock = os.open(sys.argv[1], os.O_RDWR)
    sys.stdin.read()
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
    fcntl.flock(lock, fcntl.LOCK_EX)


if __name__ == "__main__":
    main()
