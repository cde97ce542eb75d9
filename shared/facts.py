"""What the code now works on: the ids that its log lines and counts of requests carry.

A trigger says it once; whatever is called from there on, in other tasks and threads of it too, is
about the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Unpack, cast

from shared.signals import Facts

_OURS = ("functions.", "shared.")
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


class StructuredRecord(logging.LogRecord):
    """A log record of ours that ends with what it is about: `... {function=fetch_import ...}`.

    `facts` has the same, `plain` the message without it.
    """

    facts: Facts = _NONE

    @property
    def plain(self) -> str:
        """The message alone."""
        return super().getMessage()

    def getMessage(self) -> str:  # noqa: N802 (the name is Python's)
        """The message with its facts."""
        known = " ".join(f"{name}={value}" for name, value in self.facts.items() if value != "")
        return f"{self.plain} {{{known}}}" if known else self.plain


def structure_logs() -> None:
    """Have the log lines of this service carry their facts, for whichever handler writes them."""
    logging.setLogRecordFactory(_record)


def _record(*given: Any, **more: Any) -> logging.LogRecord:
    record = StructuredRecord(*given, **more)
    if record.name.startswith(_OURS):
        record.facts = _facts.get()
    return record
