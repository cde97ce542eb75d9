"""Whether results have become much worse than those that are committed: for a weekly look.

`bounds.toml` names, for some results, the worst ratio or the worst figure (for counts) that is let
pass. The bounds are generous: they find a lost index or a doubled request, not a slow day.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Result

BOUNDS = Path(__file__).with_name("bounds.toml")
GUARDED = ("cold_import", "cold_start", "twin_events", "reads")
"""Benchmarks whose results have bounds; their quick form is enough."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst that a result may be: its ratio, or its figure."""

    ratio: float | None = None
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """How a result stands to its bound; `found` is None if it was not measured."""

    name: str
    measure: str
    found: float | None
    bound: float
    is_kept: bool


def read_bounds(path: Path = BOUNDS) -> Mapping[str, Bound]:
    """The committed bounds, by the name of the result.

    Raises:
        ValueError: A bound has neither ratio nor figure, or both.
    """
    document: Mapping[str, Mapping[str, Any]] = tomllib.loads(path.read_text())
    bounds = {name: Bound(**values) for name, values in document.items()}
    for name, bound in bounds.items():
        if (bound.ratio is None) is (bound.figure is None):
            raise ValueError(f"{path.name}: '{name}' needs a ratio or a figure, and not both")
    return bounds


def findings(results: Sequence[Result], bounds: Mapping[str, Bound]) -> list[Finding]:
    """Every bound with what was measured; one that was not measured is not kept."""
    measured = {result.name: result for result in results}
    return [_finding(name, bound, measured.get(name)) for name, bound in bounds.items()]


def _finding(name: str, bound: Bound, result: Result | None) -> Finding:
    measure = "ratio" if bound.ratio is not None else "figure"
    limit = float(bound.ratio if bound.ratio is not None else bound.figure or 0.0)
    if result is None:
        return Finding(name, measure, None, limit, is_kept=False)
    found = result.ratio if measure == "ratio" else result.figure
    is_kept = found >= limit if result.better == "higher" else found <= limit
    return Finding(name, measure, found, limit, is_kept=is_kept)
