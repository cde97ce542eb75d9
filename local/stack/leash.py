"""Ties a child's life to the supervisor's, so that not even `kill -9` of it leaves an orphan.

Every child holds the reading end of a pipe as its standard input and ends when the pipe does:
`local.cloud.serving` sees to it in the Python servers, `leash.cjs` in Azurite. On Linux the kernel
also sends SIGTERM when the thread that started the child is gone, which covers a child that has not
yet begun to read. A part that does not end in time all the same is the guardian's business.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask for SIGTERM at the parent's death; runs in the child, before it becomes the program.

    Call the start of a child from the main thread only: the death of any other thread counts too.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
