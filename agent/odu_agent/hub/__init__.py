"""The way to the hub: identities, provisioning, and an MQTT client that comes back."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class HubError(Exception):
    """The hub cannot be reached or does not take something now; trying again may help."""


class RefusedError(HubError):
    """The hub refuses this message for good: sending it again would change nothing."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the hub answered {status}")
        self.status = status


class CredentialsError(HubError):
    """The hub, or who vouches for the device, does not accept its credentials."""


PASSING_ERRORS = (HubError, OSError, asyncio.TimeoutError)
"""Whatever the network does is taken for passing, what a proxy or a gateway answers included."""


class HubClient(Protocol):
    """A device's connection.

    Attributes:
        on_twin_desired_properties_patch_received: Called in the running loop with each patch of the
            desired section, and with the whole section after the connection was lost.
        identity: Device and module, once they are known.
    """

    on_twin_desired_properties_patch_received: Any
    identity: tuple[str, str | None]

    async def connect(self) -> None:
        """Open the connection; from then on it is opened again whenever it is lost."""

    async def get_twin(self) -> dict[str, Any]:
        """Fetch both sections of the twin."""

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        """Merge into the reported section."""

    async def shutdown(self) -> None:
        """Close for good."""
