"""`./odu demo`: the whole main job on this machine, with a simulated fleet."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.cli.options import DEFAULT_STATE, fail, parser
from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.demo.scenario import Check
    from local.stack.running import Stack

_DESCRIPTION = """\
Start a stack and a fleet of simulated devices (real agents over MQTT), and do the main job: import
an update, roll it out, import another by blob drop, have malware refused by the scan and a tampered
manifest refused by a device, cancel a deployment, and read compliance. Exit code 0 only if
everything ended as it must.
"""
_CURLS = """\
The stack stays up (stop it: ./odu down). Try:
  TOKEN=$(./odu token); API={endpoint}/deviceUpdate/{instance}
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" "$API/updates?api-version=2022-10-01"
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" \
"$API/management/groups?api-version=2022-10-01"
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" \
"$API/management/updateCompliance?api-version=2022-10-01"
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.ERROR)
    started = time.monotonic()
    try:
        with _stack(given.keep) as stack:
            checks = asyncio.run(_run(stack, given))
            _tell_of_console(stack, given)
            if given.keep:
                _print_curls(stack, is_quiet=given.json)
    except StackError as error:
        return fail(error, error.exit_code)
    except KeyboardInterrupt:
        return 130
    return _conclude(checks, time.monotonic() - started, as_json=given.json)


def _parse(arguments: list[str]) -> argparse.Namespace:
    demo = parser("demo", _DESCRIPTION)
    demo.add_argument("--devices", type=int, default=24, metavar="N", help="default: %(default)s")
    demo.add_argument("--json", action="store_true", help="end with one line of JSON, say no more")
    demo.add_argument("--keep", action="store_true", help="leave the stack up at the end")
    return demo.parse_args(arguments)


@contextmanager
def _stack(keep: bool) -> Iterator[Stack]:
    from local.stack.running import Stack, start

    if not keep:
        with start() as stack:
            yield stack
        return
    from local.cli import up

    code = up.main(["--detach", "--state", str(DEFAULT_STATE)])
    if code:
        raise StackError("the stack did not start")
    yield Stack.load(DEFAULT_STATE)


async def _run(stack: Stack, given: argparse.Namespace) -> Sequence[Check]:
    from local.demo.scenario import Scenario, devices
    from local.demo.screen import Screen
    from local.fleet.fleet import Fleet
    from local.rest import Rest
    from odu_cli.file_server import FileServer

    screen = Screen(is_quiet=given.json)
    screen.say(f"stack at {stack.endpoint}")
    with tempfile.TemporaryDirectory(prefix="odu-fleet-") as folder:
        async with (
            Rest(stack) as rest,
            FileServer() as publisher,
            Fleet(stack, devices(given.devices), Path(folder)) as fleet,
        ):
            scenario = Scenario(stack, rest, fleet, publisher, screen)
            await scenario.run()
    return scenario.checks


def _tell_of_console(stack: Stack, given: argparse.Namespace) -> None:
    """Say where the console is, once it is built; it was begun before the set-up."""
    from local.console.waiting import wait_for_console

    trouble = wait_for_console(lambda text: print(text, file=sys.stderr))
    if trouble:
        print(trouble, file=sys.stderr)
    elif given.keep and not given.json:
        print(f"The console: {stack.console_url}", file=sys.stderr)


def _print_curls(stack: Stack, *, is_quiet: bool) -> None:
    if not is_quiet:
        print(
            _CURLS.format(endpoint=stack.endpoint, instance=stack.instance, ca=stack.ca_file),
            end="",
        )


def _conclude(checks: Sequence[Check], seconds: float, *, as_json: bool) -> int:
    is_ok = all(check.is_ok for check in checks)
    if as_json:
        outcome = {
            "ok": is_ok,
            "seconds": round(seconds, 1),
            "checks": [
                {"name": check.name, "ok": check.is_ok, "detail": check.detail} for check in checks
            ],
        }
        print(json.dumps(outcome))
    else:
        passed = sum(check.is_ok for check in checks)
        verdict = "all well" if is_ok else "NOT all well"
        print(f"{verdict}: {passed} of {len(checks)} checks in {seconds:.0f} s", file=sys.stderr)
    return 0 if is_ok else 1
