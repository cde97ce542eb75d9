"""REST: roll-outs of deployments: actions of operators, plans and history. All is additional."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus

from functions.api import Api, Call, Handler
from functions.deployments import answer, deployment_of, request_of
from shared.domain.access import Action
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor
from shared.http import models
from shared.http.models import plans, rollouts
from shared.http.wire import rollouts as wire
from shared.services.deployments.controls import Place, RolloutControls

api = Api()

_ONE = "management/groups/{groupId}/deployments/{deploymentId}"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_OF_REVISION = (*_REFUSED, HTTPStatus.PRECONDITION_FAILED)

type _Control[Body] = Callable[[RolloutControls, Place, str, Body], Awaitable[Deployment]]
"""What an operator does: where, who, and the body of the request."""


def _control[Body](
    name: str,
    body: type[Body],
    statuses: tuple[HTTPStatus, ...] = _REFUSED,
    *,
    action: Action = Action.MANAGEMENT_WRITE,
) -> Callable[[_Control[Body]], Handler]:
    """Serve what an operator does at `:<name>` of a deployment; it answers the deployment."""

    def register(control: _Control[Body]) -> Handler:
        @wraps(control, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        async def handler(call: Call) -> models.Deployment:
            changed = await control(
                call.app.deployments.controls, _place(call), _caller(call), call.body(body)
            )
            return await answer(call, changed)

        del handler.__wrapped__  # its annotations are not those of a handler
        return api.operation(
            "POST",
            f"{_ONE}:{name}",
            action,
            body=body,
            statuses=statuses,
            is_additional=True,
        )(handler)

    return register


@_control("pause", rollouts.PauseInput)
async def pause_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.PauseInput
) -> Deployment:
    """Pause a roll-out: nobody new is asked, devices that have begun go on."""
    return await controls.pause(place, by, given.reason, withdraw=given.withdraw)


@_control("resume", rollouts.ResumeInput, _OF_REVISION)
async def resume_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.ResumeInput
) -> Deployment:
    """Resume a roll-out; the failure rule forgives what was seen so far."""
    return await controls.resume(place, by, given.revision)


@_control("advance", rollouts.AdvanceInput)
async def advance_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.AdvanceInput
) -> Deployment:
    """Open the next phase of a roll-out, whatever the gate of the open one says."""
    return await controls.advance(place, by, given.phase)


@_control("abort", rollouts.AbortInput)
async def abort_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.AbortInput
) -> Deployment:
    """End a roll-out for good: devices that have not ended are told to stop."""
    return await controls.abort(place, by, given.reason, rollback=given.rollback)


@_control("approve", rollouts.ApprovalInput, _OF_REVISION, action=Action.MANAGEMENT_APPROVE)
async def approve_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.ApprovalInput
) -> Deployment:
    """Approve a revision of a roll-out, as somebody who has not made or edited it."""
    return await controls.approve(place, by, given.revision, given.remark)


@_control("reject", rollouts.ApprovalInput, _OF_REVISION, action=Action.MANAGEMENT_APPROVE)
async def reject_deployment(
    controls: RolloutControls, place: Place, by: str, given: rollouts.ApprovalInput
) -> Deployment:
    """Reject a revision of a roll-out: nobody is asked until an edit of it is approved."""
    return await controls.reject(place, by, given.revision, given.remark)


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


def _place(call: Call) -> Place:
    return call.instance, call.part("groupId"), call.part("deploymentId")


def _caller(call: Call) -> str:
    return call.principal.object_id
