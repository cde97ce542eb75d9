"""What the demo shows: a line for each step, live bars while devices work, tables at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from odu_cli.deployment_bars import Counts, DeploymentBars, deployment_bars


@dataclass(slots=True)
class Screen:
    """Prints for people; with `is_quiet` nothing at all."""

    is_quiet: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    _started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """One line."""
        if not self.is_quiet:
            elapsed = time.monotonic() - self._started
            self.console.print(f"[dim]{elapsed:5.1f} s[/] {text}", soft_wrap=True)

    def outcome(self, name: str, detail: str, *, is_ok: bool) -> None:
        """The end of one check."""
        self.say(f"{'[green]✓' if is_ok else '[red]✗'} {name}[/]  {detail}")

    @contextmanager
    def bars(self, title: str, groups: Sequence[str]) -> Iterator[DeploymentBars]:
        """Live bars, one a group."""
        self.say(f"[bold]{title}[/]")
        with deployment_bars(self.console, indent=8, is_quiet=self.is_quiet) as bars:
            for name in groups:
                bars.show(name, Counts(total=0, in_progress=0, succeeded=0, failed=0, canceled=0))
            yield bars

    def compliance(self, rows: Sequence[tuple[str, Mapping[str, int]]]) -> None:
        """The compliance of every group."""
        table = Table(title="Compliance", title_justify="left")
        table.add_column("group")
        for heading in ("devices", "on latest", "new available", "in progress"):
            table.add_column(heading, justify="right")
        for name, figures in rows:
            table.add_row(
                name,
                *(
                    str(figures[key])
                    for key in (
                        "totalDeviceCount",
                        "onLatestUpdateDeviceCount",
                        "newUpdatesAvailableDeviceCount",
                        "updatesInProgressDeviceCount",
                    )
                ),
            )
        if not self.is_quiet:
            self.console.print(table)
