"""What mutmut has found of an area, less the mutants that are equivalent."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
_DIFFS = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
print(json.dumps({name: get_diff_for_mutant(name) for name in json.load(sys.stdin)}))
"""


class Fate(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    UNTESTED = "untested"
    EQUIVALENT = "equivalent"
    NOT_RUN = "not run"


MISSED = (Fate.SURVIVED, Fate.UNTESTED)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant, with its change as a unified diff if it was not caught."""

    name: str
    fate: Fate
    diff: str = ""

    @property
    def function(self) -> str:
        """The function or method that it changes."""
        return self.name.partition("__mutmut_")[0]

    @property
    def added(self) -> tuple[str, ...]:
        """The lines that it has instead of others."""
        lines = self.diff.splitlines()[2:]
        return tuple(line[1:].strip() for line in lines if line.startswith("+"))


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Changes of a function that no test can notice, by the line that each has instead."""

    function: str
    lines: Sequence[str]
    reason: str


def equivalents(path: Path = EQUIVALENT) -> Sequence[Equivalent]:
    """The list of those that are known."""
    document = tomllib.loads(path.read_text())
    return [Equivalent(**item) for item in document.get("mutant", [])]


def fate_of(exit_code: int | None) -> Fate:
    """What the exit code of the tests means; a crash or endless work is noticed too."""
    if exit_code in (None, 2):
        return Fate.NOT_RUN
    if exit_code in (5, 33):
        return Fate.UNTESTED
    return Fate.SURVIVED if exit_code == 0 else Fate.CAUGHT


def read(copy: Path, known: Iterable[Equivalent] = ()) -> list[Mutant]:
    """Every mutant of an area's copy."""
    fates: dict[str, Fate] = {}
    for path in sorted((copy / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        fates |= {name: fate_of(code) for name, code in codes.items()}
    missed = [name for name, fate in fates.items() if fate in MISSED]
    diffs = _diffs(copy, missed) if missed else {}
    found = [Mutant(name, fate, diffs.get(name, "")) for name, fate in fates.items()]
    return [_judged(mutant, known) for mutant in found]


def counts(mutants: Iterable[Mutant]) -> Counter[Fate]:
    """How many met each fate."""
    return Counter(mutant.fate for mutant in mutants)


def share(found: Counter[Fate]) -> float:
    """Percent of the mutants that were run and are not equivalent that some test has noticed."""
    run = found[Fate.CAUGHT] + found[Fate.SURVIVED] + found[Fate.UNTESTED]
    return 100 * found[Fate.CAUGHT] / run if run else 100.0


def _judged(mutant: Mutant, known: Iterable[Equivalent]) -> Mutant:
    is_known = mutant.diff and any(
        item.function == mutant.function and mutant.added in [(line,) for line in item.lines]
        for item in known
    )
    return Mutant(mutant.name, Fate.EQUIVALENT, mutant.diff) if is_known else mutant


def _diffs(copy: Path, names: Sequence[str]) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _DIFFS],
        cwd=copy,
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=True,
    )
    diffs: dict[str, str] = json.loads(done.stdout)
    return diffs
