"""REST: how compliance and deployments have moved over time."""

from http import HTTPStatus

from functions.api import Api, Call
from functions.deployments import deployment_of
from shared.domain.access import Action
from shared.domain.errors import InvalidInput
from shared.domain.fleet.trend import ComplianceDay
from shared.domain.instant import instant
from shared.http import report_models as models
from shared.http import wire
from shared.http.days import FIRST_DAY, LAST_DAY, day_of
from shared.http.route import QueryParameter

api = Api()

_POINTS = QueryParameter("points", "At most so many points; 120 by default.", is_integer=True)
_SINCE = QueryParameter("from", "The first moment, ISO 8601; by default the start.")
_UNTIL = QueryParameter("to", "The last moment, ISO 8601; by default now.")
_MOST_POINTS = 1000
_GROUP = "management/groups/{groupId}"


@api.operation(
    "GET",
    "management/updateCompliance/history",
    Action.MANAGEMENT_READ,
    query=(FIRST_DAY, LAST_DAY),
    is_additional=True,
)
async def get_update_compliance_history(call: Call) -> models.ComplianceHistory:
    """Read the compliance of the instance day by day, of the last 90 by default."""
    return await _history(call, None)


@api.operation(
    "GET",
    _GROUP + "/updateCompliance/history",
    Action.MANAGEMENT_READ,
    query=(FIRST_DAY, LAST_DAY),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def get_update_compliance_history_for_group(call: Call) -> models.ComplianceHistory:
    """Read the compliance of a group day by day, of the last 90 by default."""
    return await _history(call, call.part("groupId"))


@api.operation(
    "GET",
    _GROUP + "/deployments/{deploymentId}/progress",
    Action.MANAGEMENT_READ,
    query=(_SINCE, _UNTIL, _POINTS),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def get_deployment_progress(call: Call) -> models.DeploymentProgress:
    """Read how a deployment has moved since its start."""
    deployment = await deployment_of(call)
    first, last = call.query(_SINCE.name), call.query(_UNTIL.name)
    found = await call.app.overviews.trends.progress(
        call.instance,
        deployment.workflow_id,
        first=instant(first, _SINCE.name) if first else deployment.starts_at,
        last=instant(last, _UNTIL.name) if last else None,
        most=_most(call),
    )
    return models.DeploymentProgress(
        value=[
            models.ProgressPoint(
                date_time=point.at,
                succeeded=point.counts.succeeded,
                in_progress=point.counts.in_progress,
                failed=point.counts.failed,
                canceled=point.counts.canceled,
            )
            for point in found.points
        ],
        rate_per_minute=None if found.rate is None else round(found.rate, 2),
    )


async def _history(call: Call, group: str | None) -> models.ComplianceHistory:
    days, marks = await call.app.overviews.trends.days(
        call.instance, group, day_of(call.query("from"), "from"), day_of(call.query("to"), "to")
    )
    return models.ComplianceHistory(
        value=[_day(item) for item in days],
        marks=[
            models.ComplianceMark(
                date_time=mark.at, kind="Published", update_id=wire.update_id(mark.update_id)
            )
            for mark in marks
        ],
    )


def _day(item: ComplianceDay) -> models.ComplianceDay:
    found = item.compliance
    return models.ComplianceDay(
        date=item.day,
        total_device_count=found.total,
        on_latest_update_device_count=found.on_latest,
        new_updates_available_device_count=found.new_available,
        updates_in_progress_device_count=found.in_progress,
    )


def _most(call: Call) -> int:
    text = call.query(_POINTS.name)
    if text is None:
        return 120
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise InvalidInput("'points' must be a whole number, 1 or above.", target="points")
    return min(_MOST_POINTS, int(text))
