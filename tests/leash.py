"""A plugin of pytest: no process that the tests have started outlives the run, also after Ctrl-C or
`kill -9` of it.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from local.stack.stray import leashed

_KEPT = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    kept = config.stash.setdefault(_KEPT, ExitStack())
    kept.enter_context(leashed())


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_KEPT].close()
