"""Runs one subcommand: `python -m local.cli NAME [options]`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def main(arguments: list[str]) -> int:
    """Run the subcommand named by the first argument; return its exit code."""
    name = arguments[0] if arguments else ""
    module = _module(name)
    if module is None:
        print(f"odu: there is no command {name!r}; see ./odu --help", file=sys.stderr)
        return 2
    try:
        code: int = importlib.import_module(module).main(arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:  # while its module was being loaded; later it is the command's
        return 130
    return code


def _module(name: str) -> str | None:
    """Find the module of a subcommand: of the stack or of an operator."""
    if not name.isidentifier() or name.startswith("_"):
        return None
    modules = [f"{package}.{name}" for package in ("local.cli", "odu_cli.commands")]
    return next((module for module in modules if importlib.util.find_spec(module)), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
