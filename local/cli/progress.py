"""Progress lines of the local stack, for people: on stderr, in colour on a terminal."""

from __future__ import annotations

from contextlib import suppress

from rich.console import Console
from rich.text import Text


class ProgressLines:
    """Writes a line for each thing that is done or noteworthy."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def done(self, what: str, seconds: float, where: str) -> None:
        """One thing is done, after some seconds."""
        line = Text.assemble(
            ("✓ ", "green"), f"{what:<14}", (f"{seconds:5.1f} s  ", "dim"), (where, "cyan")
        )
        self._write(line)

    def note(self, text: str) -> None:
        """Something else worth a line."""
        self._write(Text.assemble(("• ", "yellow"), text))

    def _write(self, text: Text) -> None:
        with suppress(OSError):  # the terminal may be gone; the work goes on
            self._console.print(text)
