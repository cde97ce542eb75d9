"""What the code now works on: the ids that its log lines and counts of requests carry.

A trigger says it once; whatever is called from there on, in other tasks and threads of it too, is
about the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Unpack, cast
from urllib.parse import quote

from shared.signals import Facts

_PLAIN = "/:@,~$"
_NONE: Facts = {}
_facts: ContextVar[Facts] = ContextVar("facts", default=_NONE)


def current() -> Facts:
    """The facts of the work that goes on here."""
    return _facts.get()


@contextmanager
def about(**facts: Unpack[Facts]) -> Iterator[None]:
    """Say what the block works on, besides what is known already."""
    token = _facts.set(cast("Facts", {**_facts.get(), **facts}))
    try:
        yield
    finally:
        _facts.reset(token)


def described(facts: Facts) -> str:
    """Facts as one word each: `function=fetch_import operation=2026...`; blanks in them escaped."""
    return " ".join(
        f"{name}={quote(str(value), safe=_PLAIN)}"
        for name, value in facts.items()
        if value not in ("", None)
    )
