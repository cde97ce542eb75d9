"""`./odu agent`: runs the device agent of this checkout, with the options of `odu-agent`."""

from __future__ import annotations

import sys

from local.stack.running import REPOSITORY


def main(arguments: list[str]) -> int:
    """Run the agent until it is told to stop."""
    sys.path.append(str(REPOSITORY / "agent"))
    from odu_agent.__main__ import main as run

    return run(arguments)
