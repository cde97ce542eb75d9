"""The whole command line: every noun with its commands, and shell completion."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from odu_cli import PROGRAM
from odu_cli.commands import (
    audit,
    deployment,
    device,
    group,
    keys,
    log,
    manifest,
    operation,
    poison,
    service,
    update,
)
from odu_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

NOUNS = {
    "update": update.app,
    "group": group.app,
    "device": device.app,
    "deployment": deployment.app,
    "manifest": manifest.app,
    "log": log.app,
    "operation": operation.app,
    "service": service.app,
    "audit": audit.app,
    "keys": keys.app,
    "poison": poison.app,
}
"""Every command, in the order of the help."""

app = typer.Typer(
    name="odu",
    help="Operate Open Device Update: a service in Azure, or a local stack.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _noun in NOUNS.items():
    app.add_typer(_noun, name=_name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: Without the name of the program; those of this process if None.
    """
    try:
        app(arguments, prog_name=PROGRAM)
    except SystemExit as end:
        return _flushed(int(end.code or 0))
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return _flushed(0)


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    return code


def _reader_left() -> int:
    """Whoever reads our output has seen enough: say no more, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.ERROR
