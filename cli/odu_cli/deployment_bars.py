"""Live bars of how devices come along in deployments, for terminals."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console
    from rich.progress import TaskID

_COUNTERS = (
    "totalDevices",
    "devicesInProgressCount",
    "devicesCompletedSucceededCount",
    "devicesCompletedFailedCount",
    "devicesCanceledCount",
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices in a deployment by state."""

    total: int
    in_progress: int
    succeeded: int
    failed: int
    canceled: int

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Counts:
        """The sum over the subgroups of a deployment's status."""
        return cls(*(sum(one[name] for one in status["subgroupStatus"]) for name in _COUNTERS))

    @classmethod
    def of_subgroup(cls, status: Mapping[str, Any]) -> Counts:
        """The devices of one subgroup."""
        return cls(*(status.get(name, 0) for name in _COUNTERS))

    @property
    def finished(self) -> int:
        """Devices that have come to an end, whichever."""
        return self.succeeded + self.failed + self.canceled

    @property
    def is_finished(self) -> bool:
        """Whether all have; a deployment without any device yet has not."""
        return self.finished == self.total > 0

    def __str__(self) -> str:
        words = [
            (self.in_progress, "in progress"),
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.canceled, "cancelled"),
        ]
        return ", ".join(f"{count} {word}" for count, word in words if count) or "waiting"


@dataclass(slots=True)
class DeploymentBars:
    """A bar for each thing shown: groups, or the device classes of one group."""

    _progress: Progress
    _tasks: dict[str, TaskID] = field(default_factory=dict)

    def show(self, name: str, counts: Counts) -> None:
        """Show where something stands; its bar appears with the first time."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, figures="", states="")
        self._progress.update(
            self._tasks[name],
            total=max(1, counts.total),
            completed=counts.finished,
            figures=f"{counts.finished}/{counts.total}",
            states=_coloured(counts),
        )


@contextmanager
def deployment_bars(
    console: Console, *, indent: int = 0, is_quiet: bool = False
) -> Iterator[DeploymentBars]:
    """Keep bars on a console, live on a terminal, as they end elsewhere."""
    progress = Progress(
        TextColumn(" " * indent + "{task.description}", markup=False),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[states]}", table_column=Column(no_wrap=True)),
        console=console,
        disable=is_quiet,
    )
    with progress:
        yield DeploymentBars(progress)


def _coloured(counts: Counts) -> str:
    return f"[red]{counts}[/]" if counts.failed else str(counts)
