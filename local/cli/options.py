"""Options that several subcommands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DEFAULT_STATE = Path(".odu")


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand."""
    return argparse.ArgumentParser(
        prog=f"./odu {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_state(arguments: argparse._ActionsContainer) -> None:
    """Add `--state`, the directory of one stack."""
    arguments.add_argument(
        "--state",
        type=Path,
        default=DEFAULT_STATE,
        metavar="DIR",
        help="state directory of the stack (default: %(default)s in the working directory)",
    )


def fail(message: object, code: int = 1) -> int:
    """Say on stderr why a command fails; return the exit code."""
    print(f"odu: {message}", file=sys.stderr)
    return code
