"""`./odu logs`: what the parts of the local stack say, in one stream, with filters."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING

from local.cli.options import add_state, fail, parser
from local.stack.log_lines import LEVELS, LogLine, LogReader
from local.stack.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DESCRIPTION = """\
Show the logs of the parts of the local stack by time. Lines of the service end with what they are
about; --about picks them by it: ./odu logs --follow --about operation=2026 --level WARNING
"""
_POLL_SECONDS = 0.2
_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}

type Show = Callable[[LogLine], None]


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    folder = StateDirectory(given.state.resolve()).log
    readers = [LogReader(path) for path in sorted(folder.glob("*.log"))]
    unknown = set(given.part) - {reader.part for reader in readers}
    if not readers or unknown:
        known = ", ".join(reader.part for reader in readers) or "none"
        missing = ", ".join(sorted(unknown)) or "any part"
        return fail(f"there is no log of {missing} in {folder}; there are: {known}")
    chosen = [reader for reader in readers if not given.part or reader.part in given.part]
    show = _json_lines() if given.json else _colours()
    try:
        for line in _last(chosen, given):
            show(line)
        while given.follow:
            for line in _new(chosen, given):
                show(line)
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return 0
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    logs = parser("logs", _DESCRIPTION)
    add_state(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument(
        "-n", "--lines", type=int, default=50, metavar="N", help="last lines (default: 50)"
    )
    logs.add_argument(
        "--part",
        action="append",
        default=[],
        metavar="NAME",
        help="of this part alone: host, iothub, eventgrid, identity, azurite, supervisor; "
        "may be repeated",
    )
    logs.add_argument(
        "--level", choices=LEVELS, default="DEBUG", help="of this level and above (default: all)"
    )
    logs.add_argument("--grep", type=_pattern, metavar="REGEX", help="whose text has a match")
    logs.add_argument(
        "--about",
        type=_fact,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="about this: function, instance, operation, group, deployment, request_id, ...; "
        "a value may be the beginning of one; may be repeated",
    )
    logs.add_argument("--json", action="store_true", help="print one JSON object a line")
    return logs.parse_args(arguments)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def _fact(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _new(readers: Iterable[LogReader], given: argparse.Namespace) -> list[LogLine]:
    """What was written since the last call and is wanted, by time."""
    least = LEVELS.index(given.level)
    found = [
        line
        for reader in readers
        for line in reader.new_lines()
        if line.is_worth >= least
        and (given.grep is None or given.grep.search(line.message))
        and all(line.facts.get(name, "").startswith(value) for name, value in given.about)
    ]
    return sorted(found, key=lambda line: line.at)


def _last(readers: Iterable[LogReader], given: argparse.Namespace) -> Iterable[LogLine]:
    """The last lines of all parts together; no more than those of each are held."""
    kept = [line for reader in readers for line in deque(_new([reader], given), given.lines)]
    return sorted(kept, key=lambda line: line.at)[-given.lines :] if given.lines else ()


def _json_lines() -> Show:
    def show(line: LogLine) -> None:
        print(json.dumps(asdict(line)), flush=True)

    return show


def _colours() -> Show:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)

    def show(line: LogLine) -> None:
        about = " ".join(f"{name}={value}" for name, value in line.facts.items())
        console.print(
            Text.assemble(
                (line.at[11:23].ljust(13), "dim"),
                (f"{line.part:<11}", "cyan"),
                (f"{line.level:<8}", _STYLES.get(line.level, "")),
                (line.message, _STYLES.get(line.level, "")),
                (f"  {about}" if about else "", "dim"),
            )
        )

    return show
