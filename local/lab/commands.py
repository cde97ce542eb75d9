"""Runs the programs that make the parts of the reference device."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LAST_LINES = 15
_SYSTEM_FOLDERS = "/usr/sbin:/sbin"


class LabError(StackError):
    """A part of the reference device cannot be made or does not work."""


def program(name: str) -> str:
    """Where a program is; those of administrators are found by everybody.

    Raises:
        LabError: It is not there.
    """
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)
    if found is None:
        raise LabError(f"{name} is not installed")
    return found


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end; what it printed.

    Args:
        command: Its words.
        cwd: Where it stands.
        text: Its input.
        environment: Its environment, this one by default.

    Raises:
        LabError: It failed; the message ends with what it said last.
    """
    words = [program(str(command[0])), *map(str, command[1:])]
    done = subprocess.run(
        words, cwd=cwd, input=text, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:]
        raise LabError("\n".join([f"{command[0]} failed with exit code {done.returncode}:", *said]))
    return done.stdout
