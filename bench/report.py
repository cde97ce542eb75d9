"""Shows results: a table for people, one JSON document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from bench.harness import Result


def as_json(results: Sequence[Result], machine: Mapping[str, Any]) -> str:
    """The results and the machine as one JSON document."""
    document = {"machine": dict(machine), "results": [asdict(result) for result in results]}
    return msgspec.json.encode(document).decode()


def as_table(results: Sequence[Result], machine: Mapping[str, Any]) -> Table:
    """The results as a table, the notes below each."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    table = Table(
        caption=f"{facts}; a ratio of 1 is all that this machine allows", caption_justify="left"
    )
    table.add_column("benchmark")
    table.add_column("figure", justify="right")
    table.add_column("ceiling", justify="right")
    table.add_column("unit")
    table.add_column("ratio", justify="right", style="bold")
    table.add_column("better")
    for result in results:
        name = Text(result.name)
        for note, value in result.notes.items():
            name.append(f"\n  {note}: {_plain(value)}", style="dim")
        table.add_row(
            name,
            _number(result.figure),
            _number(result.ceiling),
            result.unit,
            f"{result.ratio:.2f}",
            result.better,
        )
    return table


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " .. ".join(_plain(item) for item in value)
    return str(value)


def _number(value: float) -> str:
    """Three significant digits, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
