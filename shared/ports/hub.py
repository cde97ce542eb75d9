"""IoT hubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.domain.fleet.device import TwinChange
    from shared.ports.common import Page

type TwinSource = Literal["devices", "devices.modules"]
"""What the hub's query language can select twins from."""


class Hub(Protocol):
    """The IoT hub of an instance."""

    async def patch_desired(
        self, instance: str, device_id: str, module_id: str | None, desired: Mapping[str, Any]
    ) -> None:
        """Merge into the desired properties.

        Raises:
            NotFound: No such device.
            DependencyRefused: The hub will never take this: it is too large, say.
            DependencyFailed: Throttled or unreachable.
        """
        ...

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        """The whole twin as a change; None if there is no such device."""
        ...

    async def query_twins(
        self, instance: str, source: TwinSource, token: str | None
    ) -> Page[TwinChange]:
        """A page of all twins as the hub's query index has them: up to half an hour old.

        Raises:
            DependencyFailed: Throttled or unreachable.
        """
        ...
