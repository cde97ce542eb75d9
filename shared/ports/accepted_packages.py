"""The root key package that the service has accepted last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.ports.common import Stored


class AcceptedPackages(Protocol):
    """One package for all instances, where operators who publish keyrings do not write."""

    async def get(self) -> Stored[str] | None:
        """The exact text of the package; None before the first."""
        ...

    async def save(self, package: str, etag: str | None) -> None:
        """Put a package in place of the one with the ETag, of none if that is None.

        Raises:
            ConcurrentUpdate: Another process did so meanwhile.
        """
        ...
