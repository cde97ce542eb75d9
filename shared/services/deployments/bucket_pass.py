"""One pass over devices of a bucket: what it knows of their deployments, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.reconcile import by_precedence
from shared.domain.fleet.reconcile_decision import Decision
from shared.domain.rollouts.ledger import (
    Booking,
    Ledger,
    asks_of,
    closing,
    ledger_of,
    passed,
    postponed,
)
from shared.domain.rollouts.pace import allowance
from shared.domain.rollouts.selection import rank_ranges
from shared.domain.updates.update_id import UpdateId
from shared.ports import Deployments, Passes
from shared.services.retrying import retry_on_conflict
from shared.signals import is_sampled, trace_id_of

_MOST_FOLLOWED = 8
"""Devices of a pass whose asks and reports have spans of their own."""
_LOOK_AGAIN_SECONDS = 5.0
"""How old the deployments may be that a pass decides by: so long it goes on after a pause."""


@dataclass(slots=True)
class _Left:
    """Devices that a roll-out has left for now: `due` for want of room, `held` until their windows
    open, the first at `next_at`.
    """

    due: int = 0
    held: int = 0
    next_at: str = ""


@dataclass(slots=True)
class BucketPass:
    """What a pass knows while it runs. `parts` are those of commands that devices share, `recalled`
    is the update that it takes back.
    """

    instance: str
    bucket: int
    deployments: Deployments
    passes: Passes
    parts: dict[UpdateId, Mapping[str, Any]] = field(default_factory=dict)
    followed: int = 0
    recalled: UpdateId | None = None
    _known: dict[str, tuple[float, Sequence[Deployment]]] = field(default_factory=dict)
    _left: dict[tuple[str, str], _Left] = field(default_factory=dict)
    _reminders: dict[str, str] = field(default_factory=dict)
    _closings: dict[tuple[str, str], str] = field(default_factory=dict)
    _at_hand: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def follow(self, deployment: Deployment | None, opened: str) -> str:
        """Trace context for the ask of a device; empty where the device is not followed.

        A trace must stay bounded whatever the fleet: of each pass only the first devices are.

        Args:
            deployment: What the device is asked for: its trace goes before another.
            opened: Trace context of the work that goes on.
        """
        own = deployment.traceparent if deployment is not None else ""
        traceparent = opened if not own or trace_id_of(own) == trace_id_of(opened) else own
        if not is_sampled(traceparent) or self.followed >= _MOST_FOLLOWED:
            return ""
        self.followed += 1
        return traceparent

    async def of_group(self, group: str) -> Sequence[Deployment]:
        """The deployments of a group, greatest precedence first, a few seconds old at most."""
        now = time.monotonic()
        read_at, known = self._known.get(group, (0.0, None))
        if known is None or now - read_at > _LOOK_AGAIN_SECONDS:
            stored = await self.deployments.of_group(self.instance, group)
            known = by_precedence(item.value for item in stored)
            self._known[group] = (now, known)
        return known

    async def with_room(
        self, group: str, offers: Sequence[tuple[Decision, int]]
    ) -> list[tuple[bool, Booking | None]]:
        """For each decision, by the place of its device: whether there is room, and the booking."""
        bounds = [self._bounds(decision) for decision, _ in offers]
        if not any(bounds):
            return [(True, None)] * len(offers)
        # one that was read a moment ago will do: the claim is refused if there is no room any more
        cells = self._at_hand.pop(group, None)
        if cells is None:
            cells = (await self.passes.ledger(self.instance, self.bucket, group)).value
        found: list[tuple[bool, Booking | None]] = [(True, None)] * len(offers)
        taken: dict[str, tuple[int, int]] = {}
        for index in sorted(range(len(offers)), key=lambda index: offers[index][1]):
            decision, most = offers[index][0], bounds[index]
            if most is None or decision.deployment is None:
                continue
            workflow_id = decision.deployment.workflow_id
            asks, members = taken.get(workflow_id) or asks_of(cells, workflow_id)
            asks, members = asks + 1, members + decision.is_member
            if asks > most[0] or (decision.is_member and members > most[1]):
                found[index] = (False, None)
                continue
            taken[workflow_id] = asks, members
            booking = Booking(group, workflow_id, decision.is_member, *most)
            found[index] = (True, booking)
        return found

    def _bounds(self, decision: Decision) -> tuple[int, int] | None:
        deployment = decision.deployment
        if deployment is None or deployment.rollout is None or deployment.progress is None:
            return None
        return allowance(
            deployment.rollout, deployment.progress, self.bucket, is_member=decision.is_member
        )

    def leave(self, group: str, decision: Decision) -> None:
        """Take down that a device is due and is left, for want of room or until a window opens."""
        if decision.deployment is None or decision.deployment.rollout is None:
            return
        left = self._left.setdefault((group, decision.deployment.workflow_id), _Left())
        if decision.look_at:
            left.held += 1
            left.next_at = min(left.next_at or decision.look_at, decision.look_at)
        else:
            left.due += 1

    def remind(self, device: str, at: str) -> None:
        """Take down when a device has to be looked at by itself; empty for never."""
        if at:
            self._reminders[device] = at

    def note_closing(self, group: str, decision: Decision, commanded: DeviceCommand | None) -> None:
        """Take down when the window closes in which a device was asked, or is now."""
        command = decision.command or commanded
        if decision.closes_at and command is not None:
            place = group, command.workflow_id
            known = self._closings.get(place, decision.closes_at)
            self._closings[place] = min(known, decision.closes_at)

    def reminders(self) -> dict[str, list[str]]:
        """Devices by when they have to be looked at; afterwards none are left."""
        found: dict[str, list[str]] = {}
        for device, at in self._reminders.items():
            found.setdefault(at, []).append(device)
        self._reminders.clear()
        return found

    def is_full(self, group: str, workflow_id: str) -> bool:
        """Whether the roll-out has left devices for want of room: more would be left as well."""
        left = self._left.get((group, workflow_id))
        return left is not None and left.due > 0

    async def begin(self, group: str) -> Mapping[str, Ledger]:
        """The roll-outs that ask now, and their entries in the ledger, before the pass."""
        asking = self._asking(await self.of_group(group))
        if not asking:
            return {}
        cells = (await self.passes.ledger(self.instance, self.bucket, group)).value
        self._at_hand[group] = cells
        return {item.workflow_id: ledger_of(cells, item.workflow_id) for item in asking}

    async def write_down(
        self,
        group: str,
        begun: Mapping[str, Ledger],
        phases: Mapping[str, int],
        looked_at: str = "",
    ) -> None:
        """Write down what a pass over all devices of a group has left.

        Args:
            group: The group.
            begun: What `begin` found.
            phases: The open phase of each roll-out for which the pass looked at everybody.
            looked_at: The roll-out of which it looked at all that were asked.
        """
        closings = self._closings_of(group)
        if looked_at in begun or looked_at in closings:
            closings.setdefault(looked_at, "")
        left = {name: self._left.pop((group, name), _Left()) for name in phases}

        async def cycle() -> None:
            ledger = await self.passes.ledger(self.instance, self.bucket, group)
            cells = dict(ledger.value)
            for workflow_id, phase in phases.items():
                here, before = left[workflow_id], begun.get(workflow_id, Ledger())
                now = ledger_of(cells, workflow_id)
                # devices that were left by themselves meanwhile are perhaps not among those seen
                cells = passed(
                    cells,
                    workflow_id,
                    phase,
                    due=here.due + max(0, now.due - before.due),
                    held=here.held + max(0, now.held - before.held),
                    next_at=here.next_at,
                )
            for workflow_id, at in closings.items():
                cells = closing(cells, workflow_id, at, of_all=workflow_id == looked_at)
            if cells != ledger.value:
                await self.passes.save_ledger(self.instance, self.bucket, group, cells, ledger.etag)

        if phases or closings:
            await retry_on_conflict(cycle)

    def _closings_of(self, group: str) -> dict[str, str]:
        names = [name for owner, name in self._closings if owner == group]
        return {name: self._closings.pop((group, name)) for name in names}

    async def write_down_left(self) -> set[str]:
        """Write down single devices that were left; the groups that they were left in."""
        groups = {group for group, _ in self._left}
        for group in {*groups, *(group for group, _ in self._closings)}:
            closings = self._closings_of(group)
            names = [name for owner, name in self._left if owner == group]
            left = {name: self._left.pop((group, name)) for name in names}

            async def cycle(
                group: str = group,
                left: dict[str, _Left] = left,
                closings: dict[str, str] = closings,
            ) -> None:
                ledger = await self.passes.ledger(self.instance, self.bucket, group)
                cells = dict(ledger.value)
                for workflow_id, here in left.items():
                    cells = postponed(
                        cells, workflow_id, due=here.due, held=here.held, next_at=here.next_at
                    )
                for workflow_id, at in closings.items():
                    cells = closing(cells, workflow_id, at, of_all=False)
                if cells == ledger.value:
                    return
                await self.passes.save_ledger(self.instance, self.bucket, group, cells, ledger.etag)

            await retry_on_conflict(cycle)
        return groups

    @staticmethod
    def _asking(deployments: Sequence[Deployment]) -> list[Deployment]:
        return [item for item in deployments if item.progress and item.progress.may_ask]


def open_phases(deployments: Iterable[Deployment]) -> dict[str, int]:
    """The open phase of each roll-out that asks now, by workflow."""
    return {
        item.workflow_id: item.progress.phase
        for item in deployments
        if item.progress is not None and item.progress.may_ask
    }


def ranks_of(deployment: Deployment | None) -> tuple[tuple[int, int], ...] | None:
    """The ranks that a deployment's opened phases reach; None for all."""
    if deployment is None or deployment.rollout is None or deployment.progress is None:
        return None
    return rank_ranges(deployment.rollout.phases, deployment.seed, deployment.progress.phase)
