"""Twins, and topics of events, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any

from shared.domain.domain_event import DomainEvent
from shared.domain.errors import (
    DependencyFailed,
    DependencyRefused,
    DeviceUpdateError,
    NotFound,
)
from shared.domain.fleet.device import (
    TwinChange,
)
from shared.domain.fleet.twin_content import kept_content
from shared.ports import (
    Page,
    TwinSource,
)
from tests.fakes.rows import page_of


@dataclass
class Twin:
    """A twin; `desired_at` and `reported_at` are when the section last changed, empty for never."""

    version: int = 1
    tags: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    desired: dict[str, Any] = field(default_factory=dict)
    desired_at: str = ""
    reported_at: str = ""
    model_id: str = ""


class MemoryHub:
    """Twins; `patches` are the accepted ones, `throttled` the devices that are turned away."""

    def __init__(self) -> None:
        self.twins: dict[tuple[str, str | None], Twin] = {}
        self.patches: list[tuple[str, Mapping[str, Any]]] = []
        self.throttled: set[str] = set()
        self.refusing: dict[str, str] = {}
        """Devices whose twins take nothing, and why."""
        self.on_patch: Callable[[str], None] | None = None
        """Is told of each patch that was accepted."""
        self.refused: dict[str, tuple[str, str | None]] = {}
        """Commands that the whole twins of devices show to be refused."""
        self.indexed: list[TwinChange] | None = None
        """What queries find; by default every twin as it is."""

    async def patch_desired(
        self, instance: str, device_id: str, module_id: str | None, desired: Mapping[str, Any]
    ) -> None:
        await asyncio.sleep(0)
        twin = self.twins.get((device_id, module_id))
        if twin is None:
            raise NotFound(f"Device '{device_id}' is not in the hub.")
        if device_id in self.throttled:
            raise DependencyFailed("The hub answered 429.", retry_after=0.01)
        if device_id in self.refusing:
            raise DependencyRefused(self.refusing[device_id])
        twin.version += 1
        twin.desired = merge_patch(twin.desired, desired)
        self.patches.append((device_id, desired))
        if self.on_patch is not None:
            self.on_patch(device_id)

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        await asyncio.sleep(0)
        return self.whole(device_id, module_id)

    def whole(self, device_id: str, module_id: str | None) -> TwinChange | None:
        """The twin as a read finds it."""
        twin = self.twins.get((device_id, module_id))
        if twin is None:
            return None
        reported = {"reported": twin.reported}
        model = {"modelId": twin.model_id}
        content = kept_content({"tags": twin.tags, "properties": reported, **model})
        return TwinChange(
            device_id,
            module_id,
            twin.version,
            content,
            is_whole=True,
            at=max(twin.desired_at, twin.reported_at),
            heard_at=twin.reported_at,
            refused=self.refused.get(device_id),
        )

    async def query_twins(
        self, instance: str, source: TwinSource, token: str | None
    ) -> Page[TwinChange]:
        found = [
            twin
            for device_id, module_id in sorted(self.twins, key=str)
            if (module_id is not None) == (source == "devices.modules")
            and (twin := await self.read_twin(instance, device_id, module_id)) is not None
        ]
        return page_of(self.indexed if self.indexed is not None else found, token, 2)


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


class MemoryEvents:
    def __init__(self) -> None:
        self.published: list[tuple[str, str, list[Mapping[str, Any]]]] = []

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        await asyncio.sleep(0)
        self.published.append((event_type, subject, list(payloads)))


class MemoryCustomerTopic:
    """Remembers what customers were told; refuses it with the errors that are prepared."""

    def __init__(self) -> None:
        self.published: list[tuple[str, DomainEvent]] = []
        self.refusals: list[DeviceUpdateError] = []

    async def publish(self, instance: str, events: Sequence[DomainEvent]) -> None:
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        self.published += [(instance, event) for event in events]
