"""Making deltas between two files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MadeDelta:
    """A delta: its size in bytes and its SHA-256, standard base64.

    One that is larger than was asked for has no hash, and was not written.
    """

    size_bytes: int
    sha256: str | None


class DeltaMaker(Protocol):
    """Makes deltas of the format `opendu/zstd-delta:1`."""

    async def make(
        self,
        source: Path,
        target: Path,
        delta: Path,
        *,
        most_bytes: int,
        on_progress: Callable[[int], Awaitable[None]] | None = None,
    ) -> MadeDelta:
        """Make a delta, and apply it once to see that it makes the target again.

        Args:
            source: The file that devices have.
            target: The file that they are to make.
            delta: Where to write it.
            most_bytes: A larger one is not wanted.
            on_progress: Told now and then how many bytes of the target have been looked at.

        Raises:
            DependencyFailed: It cannot be made within the bounds of memory and time, or does not
                make the target.
        """
        ...
