"""`./odu fleet`: simulated devices on the local stack, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from local.cli.options import add_state, fail, parser
from local.fleet.device import SimulatedDevice
from local.stack.errors import NotRunning
from local.stack.running import Stack

_DESCRIPTION = """\
Run simulated devices on the local stack until Ctrl-C or SIGTERM: real agents over MQTT that install
nothing. What each is remembered under is <state>/fleet, so that a later run goes on where it was.
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.ERROR)
    try:
        stack = Stack.load(given.state)
        if given.instance not in stack.hubs:
            return fail(f"the stack has no instance {given.instance!r}", 2)
        asyncio.run(_run(stack.of(given.instance), given))
    except NotRunning as error:
        return fail(error)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    fleet = parser("fleet", _DESCRIPTION)
    add_state(fleet)
    fleet.add_argument("count", type=_count, metavar="N", help="how many devices, 500 at most")
    fleet.add_argument("--group", "-g", metavar="GROUP", help="their group (default: none)")
    fleet.add_argument("--manufacturer", default="contoso", metavar="NAME")
    fleet.add_argument("--model", default="toaster", metavar="NAME")
    fleet.add_argument("--instance", default="local", metavar="ID", help="of the stack")
    return fleet.parse_args(arguments)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 500:
        raise argparse.ArgumentTypeError("must be a number from 1 to 500")
    return number


async def _run(stack: Stack, given: argparse.Namespace) -> None:
    from local.fleet.fleet import Fleet

    name = given.group or "device"
    devices = [
        SimulatedDevice(f"{name}-{number:03}", given.manufacturer, given.model, given.group)
        for number in range(1, given.count + 1)
    ]
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Fleet(stack, devices, Path(stack.state) / "fleet"):
        print(f"running {devices[0].device_id} to {devices[-1].device_id}", flush=True)
        print("Ctrl-C ends them", file=sys.stderr)
        await ended.wait()
