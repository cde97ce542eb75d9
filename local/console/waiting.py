"""Waiting for a console that is being built beside something else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from local.console.build import Console

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_SECONDS = 600.0
_POLL_SECONDS = 0.2


def wait_for_console(say: Callable[[str], None], console: Console | None = None) -> str:
    """Wait until the console is built, and return what to tell: nothing if all is well."""
    console = console or Console()
    deadline = time.monotonic() + BUILD_SECONDS
    if console.is_being_built():
        say("waiting for the console to be built")
    while console.is_being_built():
        if time.monotonic() > deadline:
            return f"the console is still being built; its log: {console.log}"
        time.sleep(_POLL_SECONDS)
    if console.is_current():
        return ""
    return f"the console was not built; why: {console.log}"
