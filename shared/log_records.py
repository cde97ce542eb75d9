"""Makes every record of the service's logs one line in which nothing from outside can hide.

In one place, for all loggers: names of files, devices and updates come from outside, and whoever
could put a line break or a change of direction into them could forge what an operator reads.
"""

from __future__ import annotations

import logging
from typing import Any

from shared.contract.visible import visible

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
                record.msg, record.args = visible(record.getMessage(), _MOST), ()
            except (TypeError, ValueError):  # not what the format asks for: logging says so itself
                return record
        return record

    make.is_visible = True  # type: ignore[attr-defined]  # the mark that it is installed
    logging.setLogRecordFactory(make)
