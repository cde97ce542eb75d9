"""Makes every record of the service's logs one line in which nothing from outside can hide.

In one place, for all loggers: names of files, devices and updates come from outside, and whoever
could put a line break or a change of direction into them could forge what an operator reads.

A line that is written while a trigger's work goes on ends with what that is about:
`import 2026... failed: HashMismatch {function=fetch_import instance=local operation=2026...}`. The
record has it as `facts` too, and the message alone as `plain`.
"""

from __future__ import annotations

import logging
from typing import Any

from shared.contract.visible import visible
from shared.facts import current, described

_OWN = ("shared", "functions")
_MOST = 2000


def install() -> None:
    """Have records of the service's own loggers made so; once is enough, twice does no harm."""
    made = logging.getLogRecordFactory()
    if getattr(made, "is_visible", False):
        return

    def make(*args: Any, **options: Any) -> logging.LogRecord:
        record = made(*args, **options)
        if record.name.partition(".")[0] in _OWN:
            try:
                plain, facts = visible(record.getMessage(), _MOST), current()
                record.__dict__.update(plain=plain, facts=facts)
                about = f" {{{described(facts)}}}" if facts else ""
                record.msg, record.args = plain + about, ()
            except (TypeError, ValueError):  # not what the format asks for: logging says so itself
                return record
        return record

    make.is_visible = True  # type: ignore[attr-defined]  # the mark that it is installed
    logging.setLogRecordFactory(make)
