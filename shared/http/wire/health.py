"""Health of connections and of events."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.fleet.compliance import Connections
from shared.domain.fleet.recount import Recounted
from shared.domain.refused_events import RefusedEvents
from shared.http import models


def connection_health(item: Connections) -> models.ConnectionHealth:
    """What is known of connections."""
    days = sorted(item.heard.items(), reverse=True)
    return models.ConnectionHealth(
        connected_device_count=item.connected,
        disconnected_device_count=item.disconnected,
        unknown_device_count=item.unknown,
        total_device_count=item.total,
        last_contacts=[models.ContactDay(day, count) for day, count in days if day],
    )


def event_health(
    refused: Sequence[RefusedEvents], recounts: Sequence[Recounted]
) -> models.EventHealth:
    """What went wrong on the way of events."""
    drifted = sorted(recounts, key=lambda report: report.drifted_at, reverse=True)
    return models.EventHealth(
        refused_events=[
            models.RefusedEventCount(each.reason.value, each.count, each.last_at)
            for each in refused
        ],
        recounted_bucket_count=len(recounts),
        oldest_recount_date_time=min((report.at for report in recounts), default=None),
        counter_drifts=[
            models.CounterDrift(
                drifted_date_time=report.drifted_at,
                group_id=each.group_id,
                device_class_id=each.class_id,
                counter=each.cell,
                found=each.found,
                counted=each.counted,
            )
            for report in drifted
            for each in report.drift
        ],
    )
