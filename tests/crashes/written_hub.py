"""The hub's side of the crash test: what it asks for, and what the device has told it, in files."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from odu_agent.desired import merge

if TYPE_CHECKING:
    from pathlib import Path


class WrittenHub:
    """The hub's side: the desired section is given, reports are appended to a file."""

    def __init__(self, desired: Desired, folder: Path, steps: int) -> None:
        self.on_twin_desired_properties_patch_received: Any = None
        self.identity = ("device", None)
        self._desired = desired
        self._folder = folder
        self._steps = steps
        self._is_acknowledged = False
        self._has_ended = False
        self.ended = asyncio.Event()

    async def connect(self) -> None:
        with (self._folder / "lives").open("a") as file:
            file.write(f"{os.getpid()}\n")

    async def get_twin(self) -> dict[str, Any]:
        return {"desired": self._desired.now()}

    async def follow(self) -> None:
        """Cancel when it is time to, or at the latest when all has ended."""
        if self._desired.cancel_at is None or self._desired.is_cancelled:
            return
        calls = self._folder / "calls"
        # another process may write it
        while not self._has_ended and lines(calls) < self._desired.cancel_at:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        self._desired.cancel()
        await self.on_twin_desired_properties_patch_received(self._desired.now())

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        update = reported_properties_patch.get("deviceUpdate", {})
        agent = update.get("agent", {})
        is_installed = len(list(self._folder.glob("installed-*"))) == self._steps
        if "installedUpdateId" in agent and not is_installed:
            note(self._folder, "success was reported of what is not installed")
        with (self._folder / "reported").open("a") as file:
            file.write(json.dumps(reported_properties_patch) + "\n")
        if agent.get("state") in (0, 255):
            (self._folder / "said").touch()
            self._has_ended = True
        self._is_acknowledged |= update.get("service", {}).get("av") == self._desired.last_version
        if self._is_acknowledged and self._said():
            self.ended.set()

    def _said(self) -> bool:
        """Whether the twin, of all lives together, says that it has ended."""
        agent = twin_of(self._folder).get("agent", {})
        return agent.get("state") in (0, 255)

    async def shutdown(self) -> None:
        pass


class Desired:
    """The desired section, which outlives the processes: a file says whether it was cancelled."""

    def __init__(
        self, deploy: dict[str, Any], cancel: dict[str, Any], folder: Path, cancel_at: int | None
    ):
        self._deploy, self._cancel, self._mark = deploy, cancel, folder / "cancelled"
        self.cancel_at = cancel_at
        self.last_version = 2 if cancel_at is None else 3

    @property
    def is_cancelled(self) -> bool:
        return self._mark.exists()

    def cancel(self) -> None:
        self._mark.touch()

    def now(self) -> dict[str, Any]:
        service = self._cancel if self.is_cancelled else self._deploy
        component = {"__t": "c", "service": service}
        version = 3 if self.is_cancelled else 2
        return {"deviceUpdate": component, "$version": version, "$metadata": {}}


def twin_of(folder: Path) -> dict[str, Any]:
    """The component that the device has reported, in all its lives."""
    reported: dict[str, Any] = {}
    path = folder / "reported"
    for line in path.read_text().splitlines() if path.exists() else []:
        reported = merge(reported, json.loads(line))
    component: dict[str, Any] = reported.get("deviceUpdate", {})
    return component


def codes_told(folder: Path) -> set[int]:
    """The result codes of every end that the device has reported, in all its lives."""
    patches = [json.loads(line) for line in (folder / "reported").read_text().splitlines()]
    agents = [patch.get("deviceUpdate", {}).get("agent", {}) for patch in patches]
    return {
        one["lastInstallResult"]["resultCode"] for one in agents if one.get("state") in (0, 255)
    }


def lines(path: Path) -> int:
    """How many lines a file has; none where there is no file."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def note(folder: Path, fault: str) -> None:
    """Write down what must not happen."""
    with (folder / "faults").open("a") as file:
        file.write(fault + "\n")
