"""Writes a deployment together with what has become of it: its history, and events for customers.

Whoever changes where a roll-out stands does it here, so that no transition is without its row and
no row without its transition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.events.catalog import rollout_changed
from shared.domain.fleet.deployment import Deployment
from shared.domain.rollouts.transition import Transition
from shared.ports import Deployments
from shared.services.announce import Announcer


@dataclass(slots=True)
class Transitions:
    """The only writer of histories."""

    deployments: Deployments
    announcer: Announcer

    async def add(self, instance: str, item: Deployment, made: Sequence[Transition]) -> bool:
        """Store a new deployment; False if the group has one of that id."""
        item = self._with_events(instance, item, made)
        is_new = await self.deployments.add(instance, item, made)
        if is_new:
            await self._announce(instance, item)
        return is_new

    async def save(
        self, instance: str, item: Deployment, etag: str, made: Sequence[Transition]
    ) -> None:
        """Store a deployment that has not changed since it was read. Raises ConcurrentUpdate."""
        item = self._with_events(instance, item, made)
        await self.deployments.save(instance, item, etag, made)
        await self._announce(instance, item)

    def _with_events(
        self, instance: str, item: Deployment, made: Sequence[Transition]
    ) -> Deployment:
        if not self.announcer.is_on:
            return item
        events = [event for each in made if (event := rollout_changed(instance, item, each))]
        return replace(item, events=(*item.events, *events)) if events else item

    async def _announce(self, instance: str, item: Deployment) -> None:
        if item.events:
            await self.announcer.deployment(instance, item.group_id, item.deployment_id)
