"""REST: queues and what failed in them for good, and how the service is doing."""

from collections.abc import Callable
from http import HTTPStatus

from functions.api import Api, Call
from functions.visible_poison import visible_to
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.http.models import operating as models
from shared.http.route import QueryParameter
from shared.services.maintenance.poison import PoisonItem
from shared.services.maintenance.service_health import Dependency, QueueState
from shared.version import VERSION

api = Api()

_POISON = "operations/poison"
_QUEUE = QueryParameter("queue", "Only what failed in this queue, `blobs` or `events`.")


@api.operation("GET", "operations/queues", Action.OPERATIONS_READ, is_additional=True)
async def list_queues(call: Call) -> models.QueueList:
    """List the work queues of the service: length, age of the oldest message, failed for good."""
    queues = await call.app.maintenance.service_health.queues()
    return models.QueueList(value=[_queue(item) for item in queues])


@api.operation("GET", "operations/health", Action.OPERATIONS_READ, is_additional=True)
async def get_service_health(call: Call) -> models.ServiceHealth:
    """Read how the service is doing: what it depends on, its queues, the lag of its events."""
    health = call.app.maintenance.service_health
    dependencies = [*await health.stores(), *await health.others()]
    queues, lag = await health.queues(), await health.lag(call.instance)
    return models.ServiceHealth(
        status=status_of(dependencies),
        version=VERSION,
        dependencies=[_dependency(item) for item in dependencies],
        queued_message_count=sum(item.message_count for item in queues),
        poison_message_count=sum(item.poison_count for item in queues),
        oldest_message_seconds=max(item.oldest_seconds for item in queues),
        last_event_date_time=lag.at if lag else None,
        event_lag_seconds=lag.seconds if lag else None,
    )


@api.operation("GET", _POISON, Action.OPERATIONS_READ, query=(_QUEUE,), is_additional=True)
async def list_poison(call: Call) -> models.PoisonList:
    """List what failed for good, with its cause; of each queue the first 32 messages."""
    wanted = _wanted(call, None)
    found = [item async for item in call.app.maintenance.poison.list(call.query(_QUEUE.name))]
    return models.PoisonList(value=[_poison(item) for item in found if wanted(item)])


@api.operation(
    "POST",
    _POISON + ":replay",
    Action.OPERATIONS_WRITE,
    body=models.PoisonSelection,
    is_additional=True,
)
async def replay_poison(call: Call) -> models.PoisonOutcomes:
    """Set going again what failed for good: all of it, or that of a queue or of a cause."""
    selection = call.body(models.PoisonSelection)
    return await _handle(call, selection, _wanted(call, selection.cause), is_discard=False)


@api.operation(
    "POST",
    _POISON + ":discard",
    Action.OPERATIONS_WRITE,
    body=models.PoisonSelection,
    is_additional=True,
)
async def discard_poison(call: Call) -> models.PoisonOutcomes:
    """Discard what failed for good: all of it, or that of a queue or of a cause."""
    selection = call.body(models.PoisonSelection)
    return await _handle(call, selection, _wanted(call, selection.cause), is_discard=True)


@api.operation(
    "POST",
    _POISON + "/{queue}/{messageId}:replay",
    Action.OPERATIONS_WRITE,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def replay_poison_message(call: Call) -> models.PoisonOutcomes:
    """Set one message going again that failed for good."""
    return await _handle_one(call, is_discard=False)


@api.operation(
    "DELETE",
    _POISON + "/{queue}/{messageId}",
    Action.OPERATIONS_WRITE,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def discard_poison_message(call: Call) -> models.PoisonOutcomes:
    """Discard one message that failed for good."""
    return await _handle_one(call, is_discard=True)


def status_of(dependencies: list[Dependency]) -> models.HealthStatus:
    """Healthy, degraded where only some work cannot be done, or unhealthy."""
    if all(item.is_healthy for item in dependencies):
        return "Healthy"
    is_serving = all(item.is_healthy for item in dependencies if item.is_needed)
    return "Degraded" if is_serving else "Unhealthy"


def _wanted(call: Call, cause: str | None) -> Callable[[PoisonItem], bool]:
    """What the caller may see, of one cause or of all."""
    is_visible = visible_to(call, call.route.action)
    return lambda item: is_visible(item) and cause in (None, item.cause)


async def _handle(
    call: Call,
    selection: models.PoisonSelection,
    wanted: Callable[[PoisonItem], bool],
    *,
    is_discard: bool,
) -> models.PoisonOutcomes:
    handled = call.app.maintenance.poison.replay(
        selection.queue, wanted, only_drops=is_discard, most=selection.maximum
    )
    done = [item async for item in handled]
    return models.PoisonOutcomes(
        value=[
            models.PoisonOutcome(
                queue=item.place, replayed_count=item.replayed, discarded_count=item.dropped
            )
            for item in done
        ]
    )


async def _handle_one(call: Call, *, is_discard: bool) -> models.PoisonOutcomes:
    visible, identity = _wanted(call, None), call.part("messageId")
    outcomes = await _handle(
        call,
        models.PoisonSelection(queue=call.part("queue")),
        lambda item: item.identity == identity and visible(item),
        is_discard=is_discard,
    )
    if not outcomes.value:
        raise NotFound(
            f"Queue '{call.part('queue')}' has no failed message '{identity}' (any more).",
            target="messageId",
        )
    return outcomes


def _queue(item: QueueState) -> models.QueueState:
    return models.QueueState(
        queue=item.queue,
        message_count=item.message_count,
        poison_message_count=item.poison_count,
        oldest_message_date_time=item.oldest_at,
        oldest_message_seconds=round(item.oldest_seconds, 3),
    )


def _dependency(item: Dependency) -> models.Dependency:
    return models.Dependency(
        name=item.name,
        is_healthy=item.is_healthy,
        is_needed=item.is_needed,
        milliseconds=item.milliseconds,
        error=item.error or None,
    )


def _poison(item: PoisonItem) -> models.PoisonMessage:
    return models.PoisonMessage(
        id=item.identity,
        queue=item.place,
        work=item.what,
        cause=item.cause,
        about=dict(item.about),
        is_over=item.is_over,
        put_date_time=item.at or None,
        reason=item.reason,
    )
