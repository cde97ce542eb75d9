"""A hub client in memory: a twin, its patches, and what the agent reported."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any, TypeVar

from odu_agent.desired import merge

_T = TypeVar("_T")


class FakeHub:
    """The hub's side of one device, over any number of the agent's sessions."""

    def __init__(self) -> None:
        self.desired: dict[str, Any] = {"$version": 1, "$metadata": {}}
        self.reported: dict[str, Any] = {}
        self.reports: list[dict[str, Any]] = []
        self.changed = asyncio.Condition()
        self.client: FakeClient | None = None
        self.failures: list[Exception] = []
        self.identity: tuple[str, str | None] = ("device-1", None)

    def make_client(self, _config: Any) -> FakeClient:
        self.client = FakeClient(self)
        return self.client

    async def desire(self, patch: dict[str, Any], *, is_lost: bool = False) -> None:
        version = self.desired["$version"] + 1
        self.desired = {**merge(self.desired, patch), "$version": version, "$metadata": {}}
        if self.client is not None and not is_lost:
            await self.client.hand_over({**patch, "$version": version})

    async def desire_service(self, service: dict[str, Any], **options: Any) -> None:
        await self.desire({"deviceUpdate": {"__t": "c", "service": service}}, **options)

    async def until(self, look: Callable[[], _T]) -> _T:
        """Wait until something can be seen in the reports."""
        async with self.changed:
            return await asyncio.wait_for(self.changed.wait_for(look), 60)

    def agent_reports(self) -> list[dict[str, Any]]:
        parts = [report.get("deviceUpdate", {}).get("agent", {}) for report in self.reports]
        return [part for part in parts if "state" in part]

    def acknowledgements(self) -> list[dict[str, Any]]:
        parts = [report.get("deviceUpdate", {}).get("service") for report in self.reports]
        return [part for part in parts if part]

    async def until_end(self, workflow_id: str, count: int = 1) -> dict[str, Any]:
        """Wait for the report that ends a workflow, or its count-th."""

        def ends() -> list[dict[str, Any]]:
            found = [
                report
                for report in self.agent_reports()
                if report["state"] != 6 and report["workflow"]["id"] == workflow_id
            ]
            return found if len(found) >= count else []

        return (await self.until(ends))[count - 1]

    async def until_phase(self, workflow_id: str, phase: str) -> None:
        await self.until(
            lambda: any(
                report["workflow"]["id"] == workflow_id and report.get("phase") == phase
                for report in self.agent_reports()
            )
        )

    async def until_acknowledged(self, version: int) -> None:
        await self.until(lambda: any(ack["av"] >= version for ack in self.acknowledgements()))


class FakeClient:
    """The SDK's client, as far as the agent uses it."""

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self.on_twin_desired_properties_patch_received: Any = None
        self.is_shut_down = False
        self.identity = hub.identity

    async def connect(self) -> None:
        if self._hub.failures:
            raise self._hub.failures.pop(0)

    async def get_twin(self) -> dict[str, Any]:
        return copy.deepcopy({"desired": self._hub.desired, "reported": self._hub.reported})

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        async with self._hub.changed:
            self._hub.reports.append(copy.deepcopy(reported_properties_patch))
            self._hub.reported = merge(self._hub.reported, reported_properties_patch)
            self._hub.changed.notify_all()

    async def hand_over(self, section: dict[str, Any]) -> None:
        await self.on_twin_desired_properties_patch_received(copy.deepcopy(section))

    async def shutdown(self) -> None:
        self.is_shut_down = True
