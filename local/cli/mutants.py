"""`./odu mutants`: small changes to the rules, and which of them no unit test notices."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from local.cli.options import parser
from local.stack.stray import leashed
from local.tools.mutants.areas import AREAS, Area
from local.tools.mutants.copies import COPIES, TRIAL, prepare
from local.tools.mutants.results import MISSED, Fate, Mutant, counts, equivalents, read, share

if TYPE_CHECKING:
    from pathlib import Path

_DESCRIPTION = """\
Change the rules of the service and of the agent in small ways, one by one, and run the unit tests
that concern them (mutmut). A run goes on where the last one stopped; what was found is kept in
.mutants/ and is looked for again only of functions that have changed. The exit code is 1 if fewer
mutants than asked were caught, of those that have been run.
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    mutants = parser("mutants", _DESCRIPTION)
    mutants.add_argument("areas", nargs="*", metavar="AREA", help="default: all; see --list")
    mutants.add_argument("--list", action="store_true", help="list the areas and do nothing")
    mutants.add_argument("--show", action="store_true", help="only show what was found")
    mutants.add_argument("--minutes", type=float, default=60, help="stop after so long (60)")
    mutants.add_argument("--most", type=int, default=0, help="try a random sample of each area")
    mutants.add_argument("--processes", "-n", type=int, default=1, help="so many at a time (1)")
    mutants.add_argument("--fail-under", type=float, default=95, metavar="PERCENT")
    given = mutants.parse_args(arguments)
    known = {area.name: area for area in AREAS}
    if given.list:
        for area in AREAS:
            print(f"{area.name:<22} {', '.join(area.modules)}")
        return 0
    if unknown := [name for name in given.areas if name not in known]:
        mutants.error(f"there is no area {unknown[0]!r}; see --list")
    chosen = [known[name] for name in given.areas] or list(AREAS)
    deadline = time.monotonic() + given.minutes * 60
    with leashed():
        for area in [] if given.show else chosen:
            if not _run(area, deadline, given.processes, given.most):
                break
    return _tell(chosen, given.fail_under)


def _run(area: Area, deadline: float, processes: int, most: int) -> bool:
    """Run an area as far as time allows; False if its time is up or it was interrupted."""
    left = deadline - time.monotonic()
    if left <= 0:
        print(f"{area.name}: no time left", file=sys.stderr)
        return False
    copy = prepare(area)
    print(f"--- {area.name}: {', '.join(area.tests)}", flush=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(("cli", "src"))}
    environment["PYTHONPYCACHEPREFIX"] = str(copy / "pycache")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    argv = [sys.executable, "-P", str(TRIAL), str(processes), str(most), *area.tests]
    with subprocess.Popen(argv, cwd=copy, env=environment) as process:
        try:
            process.wait(left)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            return False
    return True


def _tell(areas: list[Area], least: float) -> int:
    """Print what became of the mutants, those first that nothing has noticed."""
    known, all_found, rows = equivalents(), list[Mutant](), list[str]()
    for area in areas:
        found = read(_copy(area), known) if (_copy(area) / "mutants").is_dir() else []
        all_found += found
        rows.append(_row(area.name, found))
    for mutant in all_found:
        if mutant.fate in MISSED:
            print(f"{mutant.name}: {mutant.fate}\n{mutant.diff}\n")
    print(" " * 22 + "".join(f"{fate:>12}" for fate in Fate) + f"{'caught %':>12}")
    print("\n".join([*rows, _row("all", all_found)]))
    return 1 if share(counts(all_found)) < least else 0


def _row(name: str, mutants: list[Mutant]) -> str:
    found = counts(mutants)
    figures = "".join(f"{found[fate]:>12}" for fate in Fate)
    run = found[Fate.CAUGHT] + found[Fate.SURVIVED] + found[Fate.UNTESTED]
    return f"{name:<22}{figures}{f'{share(found):.1f}' if run else '-':>12}"


def _copy(area: Area) -> Path:
    return COPIES / area.name
