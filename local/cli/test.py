"""`./odu test`: format, style, types, imports and tests, of the console too, and the coverage."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from local.cli.options import parser
from local.stack.stray import leashed

REPOSITORY = Path(__file__).parents[2]
_DESCRIPTION = """\
Check format, style, types and imports, then run the tests with coverage. Everything runs even when
something fails. Options that are not listed here go to pytest:

  ./odu test --only-tests tests/unit -k topology
"""
_WORKERS = min(4, (os.process_cpu_count() or 1) + 1)
"""One more than there are cores: a third of their time tests only wait."""
_SIDE_BY_SIDE = ("-n", str(_WORKERS), "--dist", "worksteal")
"""Every worker has a stack of its own: worth it for the whole, not for a few tests."""


@dataclass(frozen=True, slots=True)
class Check:
    """One command whose exit code says whether the repository is in order."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended."""

    name: str
    code: int
    seconds: float


def tool(name: str) -> str:
    """Return the path of a program of the virtual environment."""
    return str(Path(sys.executable).with_name(name))


def checks(pytest_arguments: list[str], *, only_tests: bool) -> list[Check]:
    """Return what is to be run, in order."""
    tests = [sys.executable, "-m", "pytest", "--cov", "--cov-report="]
    if only_tests:
        return [Check("pytest", (*tests, *pytest_arguments))]
    return [
        Check("format", (tool("ruff"), "format", "--check", ".", "odu")),
        Check("style", (tool("ruff"), "check", ".", "odu")),
        Check("types", (tool("mypy"),)),
        Check("types of odu", (tool("mypy"), "--scripts-are-modules", "odu")),
        Check(
            "types of the agent",
            (tool("mypy"), "--strict", "agent/odu_agent"),
            {"MYPYPATH": "agent"},
        ),
        Check("imports", (tool("lint-imports"),)),
        Check(
            "imports of the command line",
            (tool("lint-imports"),),
            {"PYTHONPATH": str(REPOSITORY)},
            REPOSITORY / "cli",
        ),
        *_console_checks(),
        Check("pytest", (*tests, *_SIDE_BY_SIDE, *pytest_arguments)),
    ]


def _console_checks() -> list[Check]:
    node = os.environ.get("ODU_NODE") or shutil.which("node") or "node"
    schema = ("../docs/openapi.json", "--default-non-nullable=false", "-o", "src/api/schema.ts")
    tools = {
        "console: types": ("typescript/bin/tsc", "--noEmit"),
        "console: format and style": ("@biomejs/biome/bin/biome", "ci", "--error-on-warnings", "."),
        "console: types of the API": ("openapi-typescript/bin/cli.js", *schema, "--check"),
        "console: units": ("vitest/vitest.mjs", "run"),
    }
    return [
        Check(name, (node, f"node_modules/{script}", *options), folder=REPOSITORY / "console")
        for name, (script, *options) in tools.items()
    ]


def main(arguments: list[str]) -> int:
    """Run the command."""
    test = parser("test", _DESCRIPTION)
    test.usage = "./odu test [--only-tests] [options and paths of pytest]"
    test.add_argument("--only-tests", action="store_true", help="leave out all but the tests")
    given, rest = test.parse_known_args(arguments)
    with leashed():
        outcomes = [run(check) for check in checks(rest, only_tests=given.only_tests)]
    print("\n".join(summary(outcomes, coverage())), flush=True)
    return 1 if any(outcome.code for outcome in outcomes) else 0


def run(check: Check) -> Outcome:
    """Run a check, its output going where ours goes."""
    print(f"--- {check.name}: {' '.join(Path(part).name for part in check.argv[:3])}", flush=True)
    started = time.monotonic()
    environment = {**os.environ, **check.environment}
    code = subprocess.run(check.argv, cwd=check.folder, env=environment, check=False).returncode
    return Outcome(check.name, code, time.monotonic() - started)


def coverage() -> str:
    """Return the percentage of lines that the tests ran through."""
    argv = [sys.executable, "-m", "coverage", "report", "--format=total", "--precision=1"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"not measured ({(done.stdout + done.stderr).strip()})"
    return f"{done.stdout.strip()} %"


def summary(outcomes: list[Outcome], covered: str) -> list[str]:
    """Return one line for each check, and the coverage."""
    lines = [
        f"{'ok' if outcome.code == 0 else 'FAILED':<7} {outcome.name:<27} {outcome.seconds:6.1f} s"
        for outcome in outcomes
    ]
    return [*lines, f"coverage of lines: {covered}"]
