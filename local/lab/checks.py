"""Checks that build on each other, told to people as they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odu_cli.rest import RestError, Unreachable

if TYPE_CHECKING:
    from local.lab.screen import LabScreen

PATIENCE_SECONDS = 1800.0

Say = Callable[[str], None]
"""Tells how far something is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must end as it must, and how long it took."""

    name: str
    is_ok: bool
    detail: str
    seconds: float


class UnexpectedEnd(Exception):
    """Something ended otherwise than it must."""


class Stopped(Exception):
    """A check failed, and what comes after it builds on it."""


@dataclass(slots=True)
class Checks:
    """What was checked, in order."""

    screen: LabScreen
    done: list[Check] = field(default_factory=list)

    async def run(self, name: str, work: Callable[[Say], Awaitable[str]]) -> None:
        """Run one check and note how it ended.

        Raises:
            Stopped: It failed.
        """
        began = time.monotonic()
        try:
            with self.screen.doing(name) as say:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    detail, is_ok = await work(say), True
        except (UnexpectedEnd, RestError, Unreachable) as error:
            detail, is_ok = str(error), False
        except TimeoutError:
            detail, is_ok = f"not within {PATIENCE_SECONDS:g} s", False
        check = Check(name, is_ok, detail, time.monotonic() - began)
        self.done.append(check)
        self.screen.outcome(check.name, check.detail, check.seconds, is_ok=check.is_ok)
        if not is_ok:
            raise Stopped(name)
