"""REST: an instance as a whole: all deployments, what needs attention, search, changes."""

from datetime import datetime, timedelta
from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action, actions_of
from shared.domain.errors import InvalidInput
from shared.domain.instant import instant
from shared.http import report_models as models
from shared.http import wire
from shared.http.filters import FilterFields, is_newest_first
from shared.http.models import Page
from shared.http.route import TOP, QueryParameter, filter_by, order_by
from shared.http.wire import rollouts
from shared.services.reporting.attention import AttentionItem, poison_items
from shared.services.reporting.deployment_overview import (
    Course,
    DeploymentOverview,
    DeploymentQuery,
)

api = Api()

_QUERY = QueryParameter("q", "What to look for: a whole device id, or part of a name.", True)
_SINCE = QueryParameter("since", "The cursor of the answer before; without it, a minute ago.")
_GROUP = QueryParameter("groupId", "Only of this group.")
_OVERLAP = timedelta(seconds=2)
"""Cursors look back a little: clocks of storage and service differ."""
_MOST_LOOKED_BACK = timedelta(hours=1)
_LONGEST_QUERY = 128


@api.operation(
    "GET",
    "management/deployments",
    Action.MANAGEMENT_READ,
    query=(
        filter_by(
            "state eq 'Active'",
            "course eq 'Running'",
            "groupId eq '...'",
            "update eq 'provider/name/version'",
            "joined by `and`",
        ),
        order_by("startDateTime"),
        TOP,
    ),
    is_paged=True,
    is_additional=True,
)
async def list_deployments(call: Call) -> Page[models.DeploymentOverview]:
    """List the deployments of all groups with how they stand, by their start."""
    page = await call.app.overviews.deployments.page(
        call.instance,
        _deployment_query(call.query("filter")),
        is_newest_first=is_newest_first(call.query("orderby")) is not False,
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([_overview(call, item) for item in page.items], page)


@api.operation("GET", "management/attention", Action.MANAGEMENT_READ, is_additional=True)
async def list_attention(call: Call) -> models.AttentionList:
    """List what needs attention, with how many devices it concerns and what to do."""
    items = await call.app.overviews.attention.items(call.instance)
    items += await call.app.overviews.held_rollouts.items(call.instance)
    items += await _poison(call)
    return models.AttentionList(value=[_attention(item) for item in items])


@api.operation(
    "GET",
    "management/installedUpdates",
    Action.MANAGEMENT_READ,
    query=(_GROUP,),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def list_installed_updates(call: Call) -> models.InstalledUpdates:
    """List the updates that devices have installed, those on most devices first."""
    found = await call.app.overviews.installed.counts(call.instance, call.query(_GROUP.name))
    return models.InstalledUpdates(
        value=[
            models.InstalledUpdate(
                device_count=item.device_count,
                is_best_for_class=item.is_best,
                update=wire.update_info(item.update_id) if item.update_id else None,
            )
            for item in found
        ]
    )


@api.operation(
    "GET",
    "updates/providers/{provider}/names/{name}/versions/{version}/usage",
    Action.UPDATES_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def get_update_usage(call: Call) -> models.UpdateUsage:
    """Read what an update is used for: look here before you delete it."""
    found = await call.app.overviews.installed.usage(call.instance, call.update_id())
    return models.UpdateUsage(
        device_count=found.device_count,
        deployments=[
            models.DeploymentRef(group_id=item.group_id, deployment_id=item.deployment_id)
            for item in found.deployments
        ],
        referenced_by=[wire.update_id(item) for item in found.parents],
        size_in_bytes=found.size_bytes,
    )


@api.operation("GET", "changes", Action.MANAGEMENT_READ, query=(_SINCE,), is_additional=True)
async def list_changes(call: Call) -> models.Changes:
    """List what was written since a cursor: one cheap call for pages that show live figures."""
    now = datetime.fromisoformat(call.app.ports.clock.now())
    since = now - timedelta(minutes=1)
    given = call.query(_SINCE.name)
    if given is not None:
        since = max(datetime.fromisoformat(instant(given, _SINCE.name)), now - _MOST_LOOKED_BACK)
    found = await call.app.ports.change_feed.since(call.instance, (since - _OVERLAP).isoformat())
    return models.Changes(
        cursor=now.isoformat().replace("+00:00", "Z"),
        changed=[models.Change(kind=item.kind, id=item.identity, etag=item.etag) for item in found],
    )


@api.operation("GET", "search", Action.UPDATES_READ, query=(_QUERY,), is_additional=True)
async def search(call: Call) -> models.SearchHits:
    """Find updates by words; devices by id, groups, classes and deployments if you may see them."""
    text = (call.query(_QUERY.name) or "").strip()
    if not 1 <= len(text) <= _LONGEST_QUERY:
        raise InvalidInput(f"'q' must have 1 to {_LONGEST_QUERY} characters.", target="q")
    found = []
    if Action.MANAGEMENT_READ in actions_of(call.principal.roles, call.instance):
        found += await call.app.overviews.search.managed_like(call.instance, text)
    found += await call.app.overviews.search.updates_like(call.instance, text)
    return models.SearchHits(
        value=[
            models.SearchHit(kind=hit.kind, id=hit.identity, title=hit.title, link=hit.path)
            for hit in found
        ]
    )


async def _poison(call: Call) -> list[AttentionItem]:
    """What failed for good, for those who may see it."""
    action = Action.OPERATIONS_READ
    if action not in actions_of(call.principal.roles, call.instance):
        return []
    from functions.visible_poison import visible_to  # loads what administrators alone look at

    is_only = len(call.app.settings.instances) == 1
    wanted = None if is_only else visible_to(call, action)
    return poison_items(await call.app.maintenance.poison_counts.by_place(wanted))


def _deployment_query(text: str | None) -> DeploymentQuery:
    if text is None:
        return DeploymentQuery()
    fields = FilterFields(text, "state", "course", "groupId", "update")
    course = fields.text("course")
    if course is not None and course not in Course:
        raise InvalidInput(
            f"The filter compares 'course' with none of {', '.join(Course)}.", target="filter"
        )
    return DeploymentQuery(
        group=fields.text("groupId"),
        update=fields.text("update"),
        state=fields.text("state"),
        course=Course(course) if course else None,
    )


def _overview(call: Call, item: DeploymentOverview) -> models.DeploymentOverview:
    seen = call.app.reporting.rollouts.seen_in(item.deployment, item.rollup)
    counts = [status.counts for status in item.statuses]
    commanded = sum(each.commanded for each in counts)
    return models.DeploymentOverview(
        deployment=wire.deployment(
            item.deployment, list(item.class_ids), rollout=rollouts.rollout(item.deployment, seen)
        ),
        state=item.state,
        course=item.course.value,
        counts=models.DeploymentCounts(
            succeeded=sum(each.succeeded for each in counts),
            in_progress=sum(each.in_progress for each in counts),
            failed=sum(each.failed for each in counts),
            canceled=sum(each.canceled for each in counts),
            waiting=max(0, item.total - commanded),
            total=item.total,
        ),
        created_date_time=item.deployment.created_at,
        created_by=item.deployment.author or None,
    )


def _attention(item: AttentionItem) -> models.AttentionItem:
    return models.AttentionItem(
        cause=item.cause.value,
        message=item.message,
        next_step=item.next_step,
        device_count=item.count if item.counts_devices else None,
        count=None if item.counts_devices else item.count,
        code=item.code,
        subject=item.subject,
        group_id=item.group,
        filter=item.filter,
    )
