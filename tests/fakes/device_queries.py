"""Which device rows in memory a query asks for."""

from __future__ import annotations

from functools import cache

from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    view,
)
from shared.domain.fleet.health import health_of
from shared.domain.rollouts.selection import rank_of
from shared.ports import (
    DeviceQuery,
    DueQuery,
)


def meets(record: DeviceRecord, query: DeviceQuery) -> bool:
    seen, commanded = view(record), record.commanded
    columns = {
        "group": seen.group_id if seen.device_class else "",
        "class_id": seen.device_class.class_id if seen.device_class else "",
        "deployment_id": commanded.deployment_id if commanded else "",
        "state": seen.state or "",
        "health": health.state if (health := health_of(record, seen)) else "",
    }
    asked = {name: getattr(query, name) for name in columns}
    if not record.device_id.startswith(query.device_id or ""):
        return False
    if not any(value is not None for value in asked.values()):
        return seen.device_class is not None
    return all(value in (None, columns[name]) for name, value in asked.items())


def is_due(record: DeviceRecord, query: DueQuery) -> bool:
    if record.commanded is not None and record.commanded.workflow_id == query.workflow_id:
        seen = view(record)
        has_ended = seen.state in (DeviceState.FAILED, DeviceState.CANCELED)
        is_open = seen.state is DeviceState.IN_PROGRESS
        return (query.asked and (has_ended or is_open)) or (query.unasked and has_ended)
    if not query.unasked or query.ranks is None:
        return query.unasked
    rank = _rank_of(record.device_id)
    return any(first <= rank < end for first, end in query.ranks)


_rank_of = cache(rank_of)


def listed_group(record: DeviceRecord) -> str | None:
    seen = view(record)
    return seen.group_id if seen.device_class else None
