"""How far the walker goes into a file, and the errors that say it went no further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30
WALKER_VERSION = 1
"""Raised when the walker sees more than before, so that content found clean is looked at again."""


class Unscannable(Exception):
    """A member cannot be looked into; its siblings still can."""


class NeedsDictionary(Unscannable):
    """Data that zstd cannot unpack by itself: damaged, or a delta to an older file."""


class TreeLimit(Unscannable):
    """A limit on the whole file is reached: stop."""


class OutOfTime(Exception):
    """The deadline has passed."""


class EngineFailed(Exception):
    """The engine cannot be asked; the message says why, in words for an operator."""


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """Bounds on one file with all that is nested in it. Sizes in bytes.

    A ratio above 200 is usual for disk images full of zeros, and a root file system may have more
    members: both are settings.
    """

    depth: int = 8
    members: int = 12_000
    tree_factor: int = 20
    tree_base_bytes: int = 64 * MIB
    tree_bytes: int = 8 * GIB
    member_bytes: int = 4 * GIB
    ratio: int = 200
    ratio_from_bytes: int = 16 * MIB
    decoder_bytes: int = 128 * MIB
    """Most memory of an xz decoder, largest window of a zstd frame."""
    memory_bytes: int = 4 * MIB
    """Larger members go to an unnamed temporary file; up to `depth` members are open at a time."""

    def tree_limit(self, size_bytes: int) -> int:
        """Return how many unpacked bytes a file of this size may hold."""
        return min(self.tree_factor * size_bytes + self.tree_base_bytes, self.tree_bytes)


def too_many_members(limits: WalkLimits) -> TreeLimit:
    """The error of a file with too many members."""
    return TreeLimit(f"holds too many members; the limit scan_max_members is {limits.members}")


class Budget:
    """What is left of the limits during one walk.

    Args:
        limits: The limits.
        size_bytes: Size of the file walked.
        clock: Monotonic seconds.
        deadline: When to give up, on that clock.
    """

    def __init__(
        self, limits: WalkLimits, size_bytes: int, clock: Callable[[], float], deadline: float
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._deadline = deadline
        self._tree_bytes = self._tree_left = limits.tree_limit(size_bytes)
        self._members_left = limits.members
        self._member_in = 0
        self._member_out = 0

    def seconds_left(self) -> float:
        """Return the seconds until the deadline.

        Raises:
            OutOfTime: It has passed.
        """
        left = self._deadline - self._clock()
        if left <= 0:
            raise OutOfTime
        return left

    def begin_member(self) -> None:
        """Count one more member."""
        if self._members_left == 0:
            raise too_many_members(self.limits)
        self._members_left -= 1
        self._member_in = self._member_out = 0

    def take(self, consumed: int, produced: int) -> None:
        """Count bytes of the current member: read from its container, and got out of them."""
        self.seconds_left()
        self._member_in += consumed
        self._member_out += produced
        self._tree_left -= produced
        if self._tree_left < 0:
            raise TreeLimit(f"unpacks to more than {self._tree_bytes} bytes in all")
        if self._member_out > self.limits.member_bytes:
            raise Unscannable(f"unpacks to more than {self.limits.member_bytes} bytes")
        if self._member_out > max(
            self.limits.ratio_from_bytes, self.limits.ratio * self._member_in
        ):
            raise Unscannable(
                f"unpacks to too many times its size; the limit scan_max_ratio is "
                f"{self.limits.ratio}"
            )
