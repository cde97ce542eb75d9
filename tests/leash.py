"""A plugin of pytest: no process that the tests have started outlives the run, also after Ctrl-C or
`kill -9` of it.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest

from local.stack.stray import leashed

_KEPT = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell that starts the tests in its background; what they start is to hear interrupts
        signal.signal(signal.SIGINT, signal.default_int_handler)
    kept = config.stash.setdefault(_KEPT, ExitStack())
    kept.enter_context(leashed())


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_KEPT].close()
