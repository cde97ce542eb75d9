from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.stack import guardian as guardian_module
from local.stack.guardian import guardian
from local.stack.state import StateDirectory, lock_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(3600)
"""
WAIT_SECONDS = 20


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path)


@pytest.fixture
def lock(state: StateDirectory) -> Iterator[int]:
    descriptor = lock_parts(state, pytest.fail)
    yield descriptor
    os.close(descriptor)


def start_guardian(state: StateDirectory, grace_seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, guardian_module.__file__, str(state.parts_lock), str(grace_seconds)],
        stdin=subprocess.PIPE,
        process_group=0,
    )


def test_guardian_kills_a_part_that_does_not_end_once_the_supervisor_is_gone(
    state: StateDirectory, lock: int
) -> None:
    with (
        start_guardian(state, 0.1) as guard,
        subprocess.Popen(
            [sys.executable, "-c", STUBBORN],
            stdout=subprocess.PIPE,
            pass_fds=(lock,),
            process_group=guard.pid,
        ) as part,
    ):
        assert part.stdout is not None
        assert part.stdout.readline() == b"ready\n"
        assert guard.stdin is not None

        guard.stdin.close()

        assert part.wait(WAIT_SECONDS) == -signal.SIGKILL
        assert guard.wait(WAIT_SECONDS) == -signal.SIGKILL


def test_guardian_ends_at_once_when_all_parts_have_ended(state: StateDirectory) -> None:
    os.close(lock_parts(state, pytest.fail))
    started = time.monotonic()

    with guardian(state.parts_lock, 3600) as group:
        assert os.getpgid(group) == group

    assert time.monotonic() - started < WAIT_SECONDS
