"""REST: roll-outs of deployments: actions of operators, plans and history. All is additional."""

from http import HTTPStatus

from functions.api import Api, Call
from functions.deployments import answer, deployment_of, request_of
from shared.domain.access import Action
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor
from shared.http import models
from shared.http.models import plans, rollouts
from shared.http.wire import rollouts as wire

api = Api()

_ONE = "management/groups/{groupId}/deployments/{deploymentId}"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_OF_REVISION = (*_REFUSED, HTTPStatus.PRECONDITION_FAILED)


@api.operation(
    "POST",
    _ONE + ":pause",
    Action.MANAGEMENT_WRITE,
    body=rollouts.PauseInput,
    statuses=_REFUSED,
    is_additional=True,
)
async def pause_deployment(call: Call) -> models.Deployment:
    """Pause a roll-out: nobody new is asked, devices that have begun go on."""
    given = call.body(rollouts.PauseInput)
    changed = await call.app.deployments.controls.pause(
        _place(call), _caller(call), given.reason, withdraw=given.withdraw
    )
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":resume",
    Action.MANAGEMENT_WRITE,
    body=rollouts.ResumeInput,
    statuses=_OF_REVISION,
    is_additional=True,
)
async def resume_deployment(call: Call) -> models.Deployment:
    """Resume a roll-out; the failure rule forgives what was seen so far."""
    given = call.body(rollouts.ResumeInput)
    changed = await call.app.deployments.controls.resume(
        _place(call), _caller(call), given.revision
    )
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":advance",
    Action.MANAGEMENT_WRITE,
    body=rollouts.AdvanceInput,
    statuses=_REFUSED,
    is_additional=True,
)
async def advance_deployment(call: Call) -> models.Deployment:
    """Open the next phase of a roll-out, whatever the gate of the open one says."""
    given = call.body(rollouts.AdvanceInput)
    changed = await call.app.deployments.controls.advance(_place(call), _caller(call), given.phase)
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":abort",
    Action.MANAGEMENT_WRITE,
    body=rollouts.AbortInput,
    statuses=_REFUSED,
    is_additional=True,
)
async def abort_deployment(call: Call) -> models.Deployment:
    """End a roll-out for good: devices that have not ended are told to stop."""
    given = call.body(rollouts.AbortInput)
    changed = await call.app.deployments.controls.abort(
        _place(call), _caller(call), given.reason, rollback=given.rollback
    )
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":approve",
    Action.MANAGEMENT_WRITE,
    body=rollouts.ApprovalInput,
    statuses=_OF_REVISION,
    is_additional=True,
)
async def approve_deployment(call: Call) -> models.Deployment:
    """Approve a revision of a roll-out, as somebody who has not made or edited it."""
    given = call.body(rollouts.ApprovalInput)
    changed = await call.app.deployments.controls.approve(
        _place(call), _caller(call), given.revision, given.remark
    )
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":reject",
    Action.MANAGEMENT_WRITE,
    body=rollouts.ApprovalInput,
    statuses=_OF_REVISION,
    is_additional=True,
)
async def reject_deployment(call: Call) -> models.Deployment:
    """Reject a revision of a roll-out: nobody is asked until an edit of it is approved."""
    given = call.body(rollouts.ApprovalInput)
    changed = await call.app.deployments.controls.reject(
        _place(call), _caller(call), given.revision, given.remark
    )
    return await answer(call, changed)


@api.operation(
    "POST",
    _ONE + ":plan",
    Action.MANAGEMENT_READ,
    body=models.Deployment,
    is_body_optional=True,
    statuses=_REFUSED,
    is_additional=True,
)
async def plan_deployment(call: Call) -> plans.DeploymentPlan:
    """Say what a deployment would do: that of the body, else the stored one; nothing is done."""
    return wire.plan(await call.app.reporting.rollouts.plan(call.instance, await _planned(call)))


@api.operation(
    "GET",
    _ONE + "/history",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
    is_additional=True,
)
async def list_deployment_history(call: Call) -> models.Page[rollouts.Transition]:
    """List what has become of a deployment, the oldest first: who, when, why, figures seen."""
    page = await call.app.ports.deployments.history(
        call.instance, await deployment_of(call), token=call.page_token(), size=call.page_size()
    )
    return call.page([wire.transition(item) for item in page.items], page)


async def _planned(call: Call) -> Deployment:
    if not call.has_body:
        return await deployment_of(call)
    request = request_of(call, call.body(models.Deployment))
    actor = Actor(_caller(call), call.app.ports.clock.now())
    return await call.app.deployments.deploy.draft(call.instance, request, actor)


def _place(call: Call) -> tuple[str, str, str]:
    return call.instance, call.part("groupId"), call.part("deploymentId")


def _caller(call: Call) -> str:
    return call.principal.object_id
