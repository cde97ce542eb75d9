"""`./odu bench`: measures the service against the ceilings of this machine."""

from __future__ import annotations

import argparse
import asyncio
import importlib
from typing import TYPE_CHECKING, cast

from rich.console import Console

from bench import BENCHMARKS
from bench.guard import GUARDED, findings, read_bounds
from bench.harness import Benchmark, Options, machine
from bench.report import as_json, as_table
from local.cli.options import fail, parser
from local.stack.errors import StackError
from local.stack.stray import leashed

if TYPE_CHECKING:
    from bench.harness import Result

_DESCRIPTION = """\
Run benchmarks. Each measures a figure and, in turns with it, the ceiling that this machine sets to
it; the ratio of the two is what counts. Nothing passes or fails: the exit code is 0 if all were
measured. `./odu bench guard` alone passes or fails: it runs the quick form of some and compares
their ratios and counted requests with the generous bounds of bench/bounds.toml.
"""
_GUARD = "guard"


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    if given.list:
        for name in BENCHMARKS:
            print(f"{name:<18} {_summary(name)}")
        return 0
    is_guard = given.names == [_GUARD]
    if is_guard:
        given.names, given.quick = list(GUARDED), True
    try:
        with leashed():
            results = asyncio.run(_run(given))
    except StackError as error:
        return fail(error, error.exit_code)
    except KeyboardInterrupt:
        return 130
    if given.json:
        print(as_json(results, machine()))
    else:
        Console().print(as_table(results, machine()))
    return _judged(results) if is_guard else 0


def _judged(results: list[Result]) -> int:
    """Say which bounds are not kept; the exit code."""
    found = findings(results, read_bounds())
    for item in found:
        was = "was not measured" if item.found is None else f"{item.found:.3g}"
        mark = "ok " if item.is_kept else "BAD"
        print(f"{mark} {item.name}: {item.measure} {was}, bound {item.bound:g}")
    return 0 if all(item.is_kept for item in found) else 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    bench = parser("bench", _DESCRIPTION)
    bench.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=(*BENCHMARKS, _GUARD),
        help="default: all",
    )
    bench.add_argument("--json", action="store_true", help="print one JSON document")
    bench.add_argument("--list", action="store_true", help="list the benchmarks and do nothing")
    bench.add_argument("--quick", action="store_true", help="smaller inputs and fewer rounds")
    bench.add_argument(
        "--rows", type=int, metavar="N", help="device rows of the large fleet that reads are of"
    )
    bench.add_argument("--events", type=int, metavar="N", help="events of the day to replay")
    given = bench.parse_args(arguments)
    if _GUARD in given.names and len(given.names) > 1:
        bench.error(f"{_GUARD} is run by itself")
    return given


async def _run(given: argparse.Namespace) -> list[Result]:
    console = Console(stderr=True, highlight=False)
    results: list[Result] = []
    for name in given.names or BENCHMARKS:
        with console.status(name) as status:

            def say(text: str, name: str = name) -> None:
                status.update(f"{name}: {text}")
                if not console.is_terminal:
                    console.print(f"{name}: {text}", soft_wrap=True)

            options = Options(given.quick, say, given.rows, given.events)
            results += await _benchmark(name).run(options)
    return results


def _benchmark(name: str) -> Benchmark:
    return cast("Benchmark", importlib.import_module(f"bench.{name}"))


def _summary(name: str) -> str:
    return (_benchmark(name).__doc__ or "").partition("\n")[0]
