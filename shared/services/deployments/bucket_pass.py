"""One pass over devices of a bucket: what it knows of their deployments, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.reconcile import Decision, by_precedence
from shared.domain.rollouts.ledger import Booking, asks_of, passed
from shared.domain.rollouts.pace import allowance
from shared.domain.updates.update_id import UpdateId
from shared.ports import Deployments, Passes
from shared.services.retrying import until_uncontended

_LOOK_AGAIN_SECONDS = 5.0
"""How old the deployments may be that a pass decides by: so long it goes on after a pause."""


@dataclass(slots=True)
class _Left:
    """Devices that one roll-out has left for now, and when the first window of them opens."""

    due: int = 0
    next_at: str = ""


@dataclass(slots=True)
class BucketPass:
    """What a pass knows while it runs."""

    instance: str
    bucket: int
    deployments: Deployments
    passes: Passes
    parts: dict[UpdateId, Mapping[str, Any]] = field(default_factory=dict)
    _known: dict[str, tuple[float, Sequence[Deployment]]] = field(default_factory=dict)
    _left: dict[str, _Left] = field(default_factory=dict)

    async def of_group(self, group: str) -> Sequence[Deployment]:
        """The deployments of a group, greatest precedence first, a few seconds old at most."""
        now = time.monotonic()
        read_at, known = self._known.get(group, (0.0, None))
        if known is None or now - read_at > _LOOK_AGAIN_SECONDS:
            stored = await self.deployments.of_group(self.instance, group)
            known = by_precedence(item.value for item in stored)
            self._known[group] = (now, known)
        return known

    async def bookings(self, group: str, offers: Sequence[Decision]) -> list[Booking | None | bool]:
        """For each ask: its booking, None where none is needed, False where there is no room."""
        limited = any(
            offer.deployment is not None and allowance(offer.deployment, self.bucket, offer.is_member)
            for offer in offers
        )
        cells = (await self.passes.ledger(self.instance, self.bucket, group)).value if limited else {}
        taken: dict[str, tuple[int, int]] = {}
        found: list[Booking | None | bool] = []
        for offer in offers:
            found.append(self._booking(group, offer, cells, taken))
        return found

    def _booking(
        self,
        group: str,
        offer: Decision,
        cells: Mapping[str, int],
        taken: dict[str, tuple[int, int]],
    ) -> Booking | None | bool:
        deployment = offer.deployment
        if deployment is None:
            return None
        most = allowance(deployment, self.bucket, offer.is_member)
        if most is None:
            return None
        workflow_id = deployment.workflow_id
        asks, members = taken.get(workflow_id) or asks_of(cells, workflow_id)
        asks, members = asks + 1, members + offer.is_member
        if asks > most[0] or members > most[1]:
            self.leave(offer)
            return False
        taken[workflow_id] = asks, members
        return Booking(group, workflow_id, offer.is_member, *most)

    def leave(self, offer: Decision) -> None:
        """Take down that a device is due and is left, for want of room or until a window opens."""
        if offer.deployment is None:
            return
        left = self._left.setdefault(offer.deployment.workflow_id, _Left())
        left.due += 1
        if offer.look_at:
            left.next_at = min(left.next_at or offer.look_at, offer.look_at)

    def has_left(self, workflow_id: str) -> bool:
        """Whether the roll-out has left devices for want of room."""
        left = self._left.get(workflow_id)
        return left is not None and not left.next_at

    async def write_down(self, group: str, begun: Sequence[Deployment], whole: str | None) -> None:
        """Write the ledger of the group.

        Args:
            group: The group.
            begun: Its deployments when the pass began.
            whole: The roll-out for which the pass has looked at all devices of the bucket; empty
                for every roll-out, None for none.
        """

        async def cycle() -> None:
            ledger = await self.passes.ledger(self.instance, self.bucket, group)
            cells = dict(ledger.value)
            for deployment in begun:
                workflow_id, progress = deployment.workflow_id, deployment.progress
                if progress is None or not progress.may_ask:
                    continue
                left = self._left.get(workflow_id, _Left())
                if whole in ("", workflow_id):
                    cells = passed(cells, workflow_id, progress.phase, left.due, left.next_at)
                elif left.due:
                    cells = passed(cells, workflow_id, progress.phase, left.due, left.next_at)
            if cells != ledger.value:
                await self.passes.save_ledger(
                    self.instance, self.bucket, group, cells, ledger.etag
                )

        if any(item.progress is not None and item.progress.may_ask for item in begun):
            await until_uncontended(cycle)
