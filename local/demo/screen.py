"""What the demo shows: a line for each step, live bars while devices work, tables at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices of a group in a deployment by state."""

    total: int
    in_progress: int
    succeeded: int
    failed: int
    canceled: int

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Counts:
        """The sum over the subgroups of a deployment's status."""

        def add(name: str) -> int:
            return sum(one[name] for one in status["subgroupStatus"])

        return cls(
            add("totalDevices"),
            add("devicesInProgressCount"),
            add("devicesCompletedSucceededCount"),
            add("devicesCompletedFailedCount"),
            add("devicesCanceledCount"),
        )

    @property
    def finished(self) -> int:
        """Devices that have come to an end, whichever."""
        return self.succeeded + self.failed + self.canceled

    def __str__(self) -> str:
        words = [
            (self.in_progress, "in progress"),
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.canceled, "cancelled"),
        ]
        return ", ".join(f"{count} {word}" for count, word in words if count) or "waiting"


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
    def bars(self, title: str, groups: Sequence[str]) -> Iterator[Bars]:
        """Live bars, one a group."""
        self.say(f"[bold]{title}[/]")
        progress = Progress(
            TextColumn("        {task.description:8}"),
            BarColumn(bar_width=32),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[states]}"),
            console=self.console,
            disable=self.is_quiet,
        )
        with progress:
            yield Bars(progress, {name: progress.add_task(name, states="") for name in groups})

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


@dataclass(slots=True)
class Bars:
    """The bars of one deployment."""

    progress: Progress
    tasks: Mapping[str, Any]

    def show(self, group: str, counts: Counts) -> None:
        """Show where a group stands."""
        self.progress.update(
            self.tasks[group],
            total=max(1, counts.total),
            completed=counts.finished,
            states=str(counts),
        )
