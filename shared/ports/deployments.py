"""Deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.fleet.deployment import Deployment
    from shared.domain.rollouts.transition import Transition
    from shared.ports.common import Page, Stored


class Deployments(Protocol):
    """Deployments of an instance's groups."""

    async def add(
        self, instance: str, deployment: Deployment, transitions: Sequence[Transition] = ()
    ) -> bool:
        """Store a new one, with what its history begins with; False if the group has one of that
        id.
        """
        ...

    async def get(
        self, instance: str, group: str, deployment_id: str
    ) -> Stored[Deployment] | None: ...

    async def save(
        self,
        instance: str,
        deployment: Deployment,
        etag: str,
        transitions: Sequence[Transition] = (),
    ) -> None:
        """Replace, guarded, and add to its history, both or neither. Raises ConcurrentUpdate."""
        ...

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]: ...

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        """One page of a group's, in the order of their ids."""
        ...

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        """Start and id of each of a group's."""
        ...

    async def count(self, instance: str, group: str, up_to: int) -> int:
        """How many a group has, counted no further than `up_to`."""
        ...

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]: ...

    async def history(
        self, instance: str, deployment: Deployment, *, token: str | None, size: int
    ) -> Page[Transition]:
        """One page of what has become of a deployment, the oldest first."""
        ...

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        """Forget it and its history; nothing happens if there is none."""
        ...
