"""The Pythons that are on this machine besides the one of the tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def find_python(version: str) -> str | None:
    """The executable of a Python `3.N`: this one, one on PATH, or one of pyenv; None without one.

    It is run rather than looked at: version managers leave shims for versions they cannot run.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = pyenv.glob(f"versions/{version}.*/bin/python{version}")
    newest = sorted(installed, key=lambda path: _numbers(str(path)), reverse=True)
    candidates = [shutil.which(f"python{version}"), *map(str, newest)]
    return next((path for path in candidates if path and _is_usable(path, version)), None)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", text)]


def _is_usable(path: str, version: str) -> bool:
    script = "import ensurepip, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [path, "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return False
    return done.stdout.strip() == version
