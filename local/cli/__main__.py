"""Runs one command: `python -m local.cli NAME [options]`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

_NO_COMMANDS = ("options", "progress", "additions")
"""Modules that lie beside the commands."""
_ELSEWHERE = {"bench": "bench.command"}
"""Commands of packages that stand above this one and use it."""


def main(arguments: list[str]) -> int:
    """Run the command named by the first argument; return its exit code.

    What is no command of the stack is one of an operator.
    """
    name = arguments[0] if arguments else ""
    module = _module(name)
    if module is None:
        from local.cli.additions import main as operate

        return operate(arguments)
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
    """Find the module of a command of a checkout."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if not name.isidentifier() or name.startswith("_") or name in _NO_COMMANDS:
        return None
    module = f"local.cli.{name}"
    return module if importlib.util.find_spec(module) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
