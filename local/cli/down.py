"""`./odu down`: stops the local stack and waits until nothing of it runs."""

from __future__ import annotations

import os
import signal
import time

from local.cli.options import add_state, fail, parser
from local.stack.running import STOP_SECONDS
from local.stack.state import StateDirectory, supervisor_pid

_POLL_SECONDS = 0.05


def main(arguments: list[str]) -> int:
    """Run the command."""
    down = parser("down", "Stop the local stack; nothing happens when none is running.")
    add_state(down)
    given = down.parse_args(arguments)
    state = StateDirectory(given.state.resolve())
    pid = supervisor_pid(state)
    if pid is None:
        print(f"no stack is running in {given.state}")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while supervisor_pid(state) == pid:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return fail(f"the stack in {given.state} did not stop in time and was killed")
        time.sleep(_POLL_SECONDS)
    print(f"the stack in {given.state} has stopped")
    return 0
