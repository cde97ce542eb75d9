"""`./odu lab`: a device with two slots and GRUB in QEMU, updated for real."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from local.cli.options import add_state, fail, parser
from local.stack.errors import StackError
from local.stack.stray import leashed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.lab.checks import Check

_DESCRIPTION = """\
Build a small Debian with two slots, GRUB and the agent's package, start it in QEMU, connect it to a
stack of its own, and update it as a whole: two good versions, one that is broken and falls back by
itself, and a power cut in the middle of writing. Exit code 0 only if everything ended as it must.

What it builds from Debian is kept in <state>/lab, so that the next run starts sooner.
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.ERROR)
    started = time.monotonic()
    try:
        with leashed(), tempfile.TemporaryDirectory(prefix="odu-lab-") as folder:
            checks = _run(given, Path(folder))
    except StackError as error:
        return fail(error, error.exit_code)
    except KeyboardInterrupt:
        return 130
    return _conclude(checks, time.monotonic() - started, as_json=given.json)


def _parse(arguments: list[str]) -> argparse.Namespace:
    lab = parser("lab", _DESCRIPTION)
    add_state(lab)
    lab.add_argument("--json", action="store_true", help="end with one line of JSON, say no more")
    lab.add_argument(
        "--console", type=Path, metavar="FILE", help="keep what the device writes to its console"
    )
    return lab.parse_args(arguments)


def _run(given: argparse.Namespace, folder: Path) -> Sequence[Check]:
    from local.lab.build import build
    from local.lab.checks import Checks, Stopped
    from local.lab.scenario import Lab, play
    from local.lab.screen import LabScreen
    from local.stack.running import start

    checks = Checks(LabScreen(is_quiet=given.json))
    console = given.console or folder / "console.log"
    console.write_text("")
    with suppress(Stopped):
        parts = asyncio.run(build(given.state.resolve() / "lab", folder, checks))
        with start() as stack:
            asyncio.run(play(Lab(stack, parts, folder, console), checks))
    return checks.done


def _conclude(checks: Sequence[Check], seconds: float, *, as_json: bool) -> int:
    is_ok = all(check.is_ok for check in checks)
    if as_json:
        print(json.dumps({"ok": is_ok, "seconds": round(seconds, 1), "checks": _as_json(checks)}))
    else:
        passed = sum(check.is_ok for check in checks)
        verdict = "all well" if is_ok else "NOT all well"
        print(f"{verdict}: {passed} of {len(checks)} checks in {seconds:.0f} s", file=sys.stderr)
    return 0 if is_ok else 1


def _as_json(checks: Sequence[Check]) -> list[dict[str, object]]:
    return [
        {
            "name": check.name,
            "ok": check.is_ok,
            "seconds": round(check.seconds, 1),
            "detail": check.detail,
        }
        for check in checks
    ]
