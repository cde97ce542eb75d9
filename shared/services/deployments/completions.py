"""Notices that a deployment has finished, each time its group is summed up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.errors import ConcurrentUpdate
from shared.domain.events.catalog import deployment_finished
from shared.domain.fleet.completion import final_counts
from shared.domain.fleet.counters import Counts
from shared.ports import Clock, Deployments, Fleet
from shared.services.announce import Announcer


@dataclass(slots=True)
class Completions:
    """Writes down, once for each deployment, that it has finished."""

    deployments: Deployments
    fleet: Fleet
    announcer: Announcer
    clock: Clock

    async def check(self, instance: str, group: str, counts: Counts) -> None:
        """Look at every deployment of the group; running again changes nothing."""
        stored = await self.deployments.of_group(instance, group)
        if all(item.value.is_finished for item in stored):
            return
        deployments, now = [item.value for item in stored], self.clock.now()
        classes = [known.device_class for known in await self.fleet.classes(instance)]
        for item in stored:
            deployment = item.value
            if deployment.is_finished:
                continue
            ended = final_counts(deployment, deployments, classes, counts, now)
            if ended is None:
                continue
            told = replace(deployment, is_finished=True)
            if self.announcer.is_on:
                event = deployment_finished(instance, deployment, ended, now)
                told = replace(told, events=(*deployment.events, event))
            try:
                await self.deployments.save(instance, told, item.etag)
            except ConcurrentUpdate:
                continue  # the next roll-up looks again
            if told.events:
                await self.announcer.deployment(instance, group, deployment.deployment_id)
