"""Roll-outs as the objects of the REST API."""

from __future__ import annotations

from shared.domain.fleet.deployment import Deployment
from shared.domain.rollouts import specification
from shared.domain.rollouts.durations import duration_text
from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.plan import PlannedPhase
from shared.domain.rollouts.transition import Transition
from shared.domain.rollouts.view import PhaseView
from shared.http.models import plans
from shared.http.models import rollouts as models
from shared.http.wire.common import update_info
from shared.services.reporting.rollouts import Plan, Seen


def specification_of(given: models.Rollout) -> specification.Rollout:
    """What was asked for, without what is read-only."""
    names = specification.Rollout.__struct_fields__
    return specification.Rollout(**{name: getattr(given, name) for name in names})


def rollout(item: Deployment, seen: Seen | None) -> models.Rollout | None:
    """A deployment's roll-out, with how it stands if that was looked at; None if it has none."""
    if item.rollout is None:
        return None
    given = {name: getattr(item.rollout, name) for name in specification.Rollout.__struct_fields__}
    state = _state(item, seen) if seen else None
    return models.Rollout(**{**given, "seed": item.seed}, state=state)


def _state(item: Deployment, seen: Seen) -> models.RolloutState:
    progress = item.progress
    assert progress is not None
    reason = progress.reason
    return models.RolloutState(
        status=progress.shown,
        phase=progress.phase if progress.opened else None,
        since=progress.since,
        reason=models.RolloutReason(code=reason.code, message=reason.message) if reason else None,
        phases=[_phase(phase) for phase in seen.view.phases],
        late=models.RolloutFigures(**_figures(seen.view.late)),
        in_flight=seen.view.total.open,
        failure_budget=models.FailureBudget(left=seen.view.failures_left),
        estimated_end=seen.ends_at.isoformat() if seen.ends_at else None,
        as_of=seen.view.as_of,
        waits_for=seen.view.waits_for or None,
    )


def _phase(phase: PhaseView) -> models.RolloutPhase:
    return models.RolloutPhase(
        **_figures(phase.figures),
        name=phase.name,
        status=phase.status,
        opened_at=phase.opened_at or None,
        covered_at=phase.covered_at or None,
        passed_at=phase.passed_at or None,
    )


def _figures(figures: Figures) -> dict[str, int]:
    return {
        "asked": figures.total,
        "succeeded": figures.succeeded,
        "failed": figures.failed,
        "open": figures.open,
        "silent": figures.silent,
        "stuck": figures.stuck,
        "reverted": figures.reverted,
        "withdrawn": figures.withdrawn,
        "canceled": figures.canceled,
        "already_installed": figures.had,
    }


def transition(made: Transition) -> models.Transition:
    """A row of a deployment's history."""
    return models.Transition(
        at=made.at,
        actor=made.actor,
        step=made.step,
        revision=made.revision,
        previous_status=made.before,
        status=made.after,
        phase=made.phase if made.phase >= 0 else None,
        code=made.code,
        message=made.message or None,
        device_class_id=made.device_class_id or None,
        figures=dict(made.figures) or None,
    )


def plan(item: Plan) -> plans.DeploymentPlan:
    """What a deployment would do."""
    return plans.DeploymentPlan(
        update=update_info(item.deployment.update_id),
        targeted_devices=item.targeted,
        phases=[_planned(phase) for phase in item.phases],
        not_targeted=[
            plans.PlanReason(
                code=each.code,
                message=each.message,
                devices=each.devices,
                device_class_id=each.class_id,
            )
            for each in item.not_targeted
        ],
        warnings=[plans.PlanWarning(each.code, each.message) for each in item.warnings],
        needs_approval=item.needs_approval,
        as_of=item.as_of,
        estimated_end=item.ends_at.isoformat() if item.ends_at else None,
    )


def _planned(phase: PlannedPhase) -> plans.PlanPhase:
    return plans.PlanPhase(
        name=phase.name,
        devices=plans.PlanRange(expected=phase.devices, least=phase.least, most=phase.most),
        opens_at=phase.opens_at.isoformat() if phase.opens_at else None,
        asking=duration_text(phase.asking),
        bake=duration_text(phase.bake),
        waits_for_person=phase.waits_for_person,
    )
