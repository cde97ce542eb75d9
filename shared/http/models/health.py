"""Health of connections and of events."""

from __future__ import annotations

from typing import Literal

from shared.http.models.common import Count, Model


class ContactDay(Model):
    """How many devices reported last on a day (UTC)."""

    date: str
    device_count: Count


class ConnectionHealth(Model):
    """What is known of connections: the first three add up to the total.

    The hub tells of a connection only if the device sends telemetry or takes messages; one that
    uses its twin alone counts as unknown. `lastContacts` counts the devices that are not known to
    be connected by the day of their last report about updates, the newest day first; a device that
    has nothing to do reports nothing.
    """

    connected_device_count: Count
    disconnected_device_count: Count
    unknown_device_count: Count
    total_device_count: Count
    last_contacts: list[ContactDay]


class RefusedEventCount(Model):
    """Events that were refused for one reason, since the service was set up.

    `ForeignHub`: of a hub that belongs to no instance. `Malformed`, `Oversized`: not what the hub
    or this service sends. `DeviceRowTooLarge`: a change of a device that reports too much to be
    kept.
    """

    reason: Literal["ForeignHub", "Malformed", "Oversized", "DeviceRowTooLarge"]
    count: Count
    last_date_time: str


class CounterDrift(Model):
    """A counter that a recount found wrong, and put right: what it held and what it should hold."""

    drifted_date_time: str
    group_id: str
    device_class_id: str
    counter: str
    found: int
    counted: int


class EventHealth(Model):
    """What went wrong on the way of events into the counters.

    `refusedEvents` are those of all instances, for a foreign event belongs to none. Every bucket of
    devices is recounted in turn; `counterDrifts` has the last drift of each that ever had one, the
    newest first.
    """

    refused_events: list[RefusedEventCount]
    recounted_bucket_count: Count
    counter_drifts: list[CounterDrift]
    oldest_recount_date_time: str | None = None
