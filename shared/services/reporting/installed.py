"""Which updates devices have installed, and what an update is used for; from roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import installed_counts
from shared.domain.fleet.deployment import Deployment
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Updates
from shared.services.shared_reads import DeploymentFigures, FleetFigures
from shared.services.updates.references import parents_of


@dataclass(frozen=True, slots=True)
class InstalledUpdate:
    """An update, None for none, and on how many devices; whether it is the best of any class."""

    update_id: UpdateId | None
    device_count: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class UpdateUsage:
    """What an update is used for; `size_bytes` is that of its files."""

    device_count: int
    deployments: Sequence[Deployment]
    parents: Sequence[UpdateId]
    size_bytes: int


@dataclass(slots=True)
class InstalledUpdates:
    """Counts installed updates of an instance, or of a group."""

    fleet: FleetFigures
    updates: Updates
    deployments: DeploymentFigures

    async def counts(self, instance: str, group: str | None = None) -> list[InstalledUpdate]:
        """Installed updates, those on most devices first.

        Raises:
            NotFound: There is no such group.
        """
        rollups = await self.fleet.rollups(instance, group)
        if group is not None and group not in rollups:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        best = {known.best_update for known in await self.fleet.classes(instance)}
        sums: Counter[UpdateId | None] = Counter()
        for rollup in rollups.values():
            for cells in rollup.counts.values():
                sums.update(installed_counts(cells))
        return [
            InstalledUpdate(update_id, count, update_id is not None and update_id in best)
            for update_id, count in sorted(sums.items(), key=lambda item: (-item[1], str(item[0])))
            if count
        ]

    async def usage(self, instance: str, update_id: UpdateId) -> UpdateUsage:
        """What an update is used for.

        Raises:
            NotFound: There is no such update.
        """
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target="version")
        counts = {item.update_id: item.device_count for item in await self.counts(instance)}
        return UpdateUsage(
            device_count=counts.get(update_id, 0),
            deployments=[
                item.value
                for item in await self.deployments.of_instance(instance)
                if item.value.update_id == update_id
            ],
            parents=await parents_of(self.updates, instance, stored.value),
            size_bytes=size_of(stored.value),
        )


def size_of(update: Update) -> int:
    """Bytes of the files of an update, related files included."""
    return sum(each.size_bytes for file in update.files for each in (file, *file.related_files))
