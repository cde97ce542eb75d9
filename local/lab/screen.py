"""What the lab shows: a moving line for what goes on, and a line for each check that ended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LabScreen:
    """Prints for people; with `is_quiet` nothing at all."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=is_quiet)

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)

    @contextmanager
    def doing(self, name: str) -> Iterator[Callable[[str], None]]:
        """A line that moves while something goes on; what is yielded says how far it is."""
        columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(name)
            yield lambda stage: progress.update(task, description=f"{name}: {stage}")

    def outcome(self, name: str, detail: str, seconds: float, *, is_ok: bool) -> None:
        """The end of one check."""
        mark = Text("✓ ", "green") if is_ok else Text("✗ ", "red")
        line = Text.assemble((f"{seconds:6.1f} s ", "dim"), mark, name, ("  " + detail, "dim"))
        self._console.print(line, soft_wrap=True)
