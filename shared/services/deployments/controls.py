"""Operators pause, resume, advance, abort, approve and reject roll-outs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet import rollout_controls as rules
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.rollouts.evaluation import baselines_of
from shared.domain.rollouts.progress import Baseline
from shared.ports import Clock, Deployments, Fleet, Rollup
from shared.services.announce import Announcer
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.rollback import Rollbacks
from shared.services.deployments.transitions import Transitions
from shared.services.retrying import retry_on_conflict

type Place = tuple[str, str, str]
"""Instance, group and deployment id."""


@dataclass(slots=True)
class RolloutControls:
    """Each action is one guarded write, so of it and the evaluator one wins and the other looks
    again. In the wanted state already, an action changes nothing.
    """

    deployments: Deployments
    fleet: Fleet
    fan_outs: FanOuts
    rollbacks: Rollbacks
    clock: Clock
    announcer: Announcer = field(default_factory=Announcer)

    async def pause(self, place: Place, by: str, reason: str, *, withdraw: bool) -> Deployment:
        """Ask nobody new. Raises NotFound, Conflict."""
        return await self._done(
            place, by, lambda item, actor: rules.pause(item, actor, reason, withdraw=withdraw)
        )

    async def resume(self, place: Place, by: str, revision: int | None) -> Deployment:
        """Go on, and forgive what was seen. Raises NotFound, Conflict, PreconditionFailed."""
        rollup = await self._rollup(place)
        return await self._done(
            place,
            by,
            lambda item, actor: rules.resume(item, actor, _baselines(item, rollup), revision),
        )

    async def advance(self, place: Place, by: str, phase: int) -> Deployment:
        """Open the next phase now. Raises NotFound, Conflict."""
        rollup = await self._rollup(place)
        return await self._done(
            place,
            by,
            lambda item, actor: rules.advance(item, actor, phase, _baselines(item, rollup)),
        )

    async def abort(self, place: Place, by: str, reason: str, *, rollback: bool) -> Deployment:
        """End it for good, and send the devices that were asked back if wanted.

        Raises:
            NotFound: There is none.
            Conflict: It has no roll-out or has ended otherwise, or has nothing to go back to.
        """

        def action(item: Deployment, actor: Actor) -> rules.Controlled:
            if rollback and item.rollback_policy is None:
                raise Conflict(
                    f"'{item.deployment_id}' has no 'rollbackPolicy', which says to what update.",
                    code="RollbackPolicyMissing",
                    target="/rollback",
                )
            return rules.abort(item, actor, reason)

        if rollback:
            await self._check_way_back(place)
        changed = await self._done(place, by, action)
        rollup = await self._rollup(place) if rollback else None
        if rollup is not None:
            for class_id in figures_by_class(changed, rollup.counts, rollup.as_of):
                await self.rollbacks.start(place[0], changed, class_id)
        return changed

    async def approve(self, place: Place, by: str, revision: int, remark: str) -> Deployment:
        """Let a revision be rolled out.

        Raises:
            NotFound, Conflict, PreconditionFailed: As `rules.approve` says.
            Forbidden: Somebody else has to.
        """
        return await self._done(
            place, by, lambda item, actor: rules.approve(item, actor, revision, remark)
        )

    async def reject(self, place: Place, by: str, revision: int, remark: str) -> Deployment:
        """Refuse a revision. Raises NotFound, Conflict, PreconditionFailed."""
        return await self._done(
            place, by, lambda item, actor: rules.reject(item, actor, revision, remark)
        )

    async def _done(
        self, place: Place, by: str, action: Callable[[Deployment, Actor], rules.Controlled]
    ) -> Deployment:
        instance, group, deployment_id = place
        transitions = Transitions(self.deployments, self.announcer)

        async def cycle() -> tuple[Deployment, bool]:
            stored = await self.deployments.get(instance, group, deployment_id)
            if stored is None:
                raise NotFound(
                    f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId"
                )
            result = action(stored.value, Actor(by, self.clock.now()))
            if result is None:
                return stored.value, False
            changed, made = result
            await transitions.save(instance, changed, stored.etag, [made])
            return changed, True

        changed, is_changed = await retry_on_conflict(cycle)
        if is_changed and not changed.is_fanned_out:
            await self.fan_outs.enqueue(instance, changed)
        return changed

    async def _check_way_back(self, place: Place) -> None:
        """Refuse to end what is to be taken back to an update that is gone or was recalled."""
        stored = await self.deployments.get(*place)
        if stored is not None and stored.value.rollback_policy is not None:
            await self.rollbacks.target(place[0], stored.value.rollback_policy)

    async def _rollup(self, place: Place) -> Rollup | None:
        instance, group, _ = place
        return (await self.fleet.rollups(instance, group)).get(group)


def _baselines(item: Deployment, rollup: Rollup | None) -> Mapping[str, Baseline]:
    if item.rollout is None or item.progress is None or rollup is None:
        return {}
    by_class = figures_by_class(item, rollup.counts, rollup.as_of)
    return baselines_of(item.rollout, item.progress, by_class)
