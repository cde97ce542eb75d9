"""Roll-outs that go on only once somebody decides: stopped ones, and those that wait for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.fleet.deployment import Deployment, DeploymentState, state_for
from shared.domain.rollouts.progress import Progress, Status
from shared.ports import Clock, KnownClass
from shared.services.reporting.attention import AttentionItem, Cause
from shared.services.shared_reads import DeploymentFigures, FleetFigures

_NEXT: Mapping[Status, str] = {
    Status.PAUSED: "Look why, then resume it, edit it or abort it.",
    Status.AWAITING_APPROVAL: "Have somebody approve or reject it who has not made or edited it.",
    Status.AWAITING_ADVANCE: "Look how its phase went, then advance or abort it.",
}


@dataclass(slots=True)
class HeldRollouts:
    """Finds them in an instance: two table calls for a thousand deployments."""

    fleet: FleetFigures
    deployments: DeploymentFigures
    clock: Clock

    async def items(self, instance: str) -> list[AttentionItem]:
        """Those that nothing newer has taken over, by group and id."""
        groups: dict[str, list[Deployment]] = {}
        for stored in await self.deployments.of_instance(instance):
            groups.setdefault(stored.value.group_id, []).append(stored.value)
        held = [
            (item, item.progress)
            for some in groups.values()
            for item in some
            if item.progress is not None and not item.is_final and item.progress.shown in _NEXT
        ]
        if not held:
            return []
        classes, now = await self.fleet.classes(instance), self.clock.now()
        held.sort(key=lambda each: (each[0].group_id, each[0].deployment_id))
        return [
            _attention(item, progress)
            for item, progress in held
            if _is_current(item, groups[item.group_id], classes, now)
        ]


def _is_current(
    deployment: Deployment, of_group: Sequence[Deployment], classes: Sequence[KnownClass], now: str
) -> bool:
    """Whether it is in force for a class; one that has none yet may still get some."""
    targeted = [known.device_class for known in classes if deployment.targets(known.device_class)]
    states = [state_for(deployment, of_group, each, now) for each in targeted]
    return not states or DeploymentState.ACTIVE in states


def _attention(deployment: Deployment, progress: Progress) -> AttentionItem:
    return AttentionItem(
        cause=Cause.ROLLOUT,
        message=f"Roll-out '{deployment.deployment_id}' to group '{deployment.group_id}' "
        f"{_why(progress)}",
        next_step=_NEXT[progress.shown],
        count=1,
        code=progress.shown.value,
        subject=deployment.deployment_id,
        group=deployment.group_id,
        counts_devices=False,
    )


def _why(progress: Progress) -> str:
    if progress.shown is Status.PAUSED:
        return f"is paused: {progress.reason.message}" if progress.reason else "is paused."
    if progress.shown is Status.AWAITING_APPROVAL:
        return "waits for approval."
    return "waits for somebody to advance it."
