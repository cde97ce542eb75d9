"""Reads by REST while events come in: every answer must be possible, whatever has arrived yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from local.rest import Rest
from odu_cli.rest import RestError, Unreachable, deployment_path, path

_PAUSE_SECONDS = 0.1
_STATES = (
    "devicesInProgressCount",
    "devicesCompletedFailedCount",
    "devicesCompletedSucceededCount",
    "devicesCanceledCount",
)
_SHARES = (
    "onLatestUpdateDeviceCount",
    "newUpdatesAvailableDeviceCount",
    "updatesInProgressDeviceCount",
)
_SERVER_ERROR = 500

type _Check = Callable[[Mapping[str, Any]], list[str]]
"""Why an answer is impossible, if it is."""


@dataclass(slots=True)
class Readers:
    """Reads compliance and deployments over and over.

    `reads` were checked, `interruptions` had no answer because a server was down, `impossible` are
    answers that no state of the fleet can explain, in words.
    """

    rest: Rest
    deployments: Mapping[str, str]
    """Deployment by group."""
    groups: Sequence[str]
    fleet_size: int
    reads: int = 0
    interruptions: int = 0
    impossible: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Go on reading while the block lasts."""
        task = asyncio.create_task(self._read_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _read_on(self) -> None:
        while True:
            for place in ("management/updateCompliance", *map(_compliance, self.groups)):
                await self._checked(place, self._wrong_compliance)
                await asyncio.sleep(_PAUSE_SECONDS)
            for group, deployment in self.deployments.items():
                place = deployment_path(group, deployment) + "/status"
                await self._checked(place, self._wrong_status)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _checked(self, place: str, wrong: _Check) -> None:
        try:
            answer = await self.rest.get(place)
        except Unreachable:
            self.interruptions += 1
            return
        except RestError as error:
            if error.status < _SERVER_ERROR:
                self.impossible.append(f"{place}: {error}")
            self.interruptions += 1
            return
        self.reads += 1
        self.impossible += [f"{place}: {reason}: {answer}" for reason in wrong(answer)]

    def _wrong_compliance(self, answer: Mapping[str, Any]) -> list[str]:
        return wrong_sums(answer, _SHARES, "totalDeviceCount", self.fleet_size, is_whole=True)

    def _wrong_status(self, answer: Mapping[str, Any]) -> list[str]:
        found = []
        for part in answer["subgroupStatus"]:
            found += wrong_sums(part, _STATES, "totalDevices", self.fleet_size, is_whole=False)
            failures = sum(each["deviceCount"] for each in part.get("failures") or [])
            if failures != part["devicesCompletedFailedCount"]:
                found.append("not as many failures as failed devices")
        return found


def wrong_sums(
    answer: Mapping[str, Any], parts: Sequence[str], whole: str, most: int, *, is_whole: bool
) -> list[str]:
    """Why the numbers of an answer are impossible, if they are.

    Args:
        answer: The answer.
        parts: Names of numbers that are parts of another.
        whole: The name of that.
        most: What it cannot exceed.
        is_whole: Whether the parts make up the whole, or may be less.
    """
    numbers = {name: answer[name] for name in (*parts, whole)}
    found = [f"{name} is negative" for name, number in numbers.items() if number < 0]
    share = sum(numbers[name] for name in parts)
    if share > numbers[whole] or (is_whole and share != numbers[whole]):
        found.append(f"the parts make {share} of {numbers[whole]}")
    if numbers[whole] > most:
        found.append(f"more than the {most} devices that there ever were")
    return found


def _compliance(group: str) -> str:
    return path("management", "groups", group, "updateCompliance")
