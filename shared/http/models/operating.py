"""The JSON objects of who may do what, and of how the service itself is doing. All additional."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from shared.http.models.common import Count, Model


class MyInstance(Model):
    """An instance, and the data actions that the caller's roles give there."""

    id: str
    actions: list[str]


class Me(Model):
    """The caller, as the token says. Instances without any action are left out."""

    object_id: str
    roles: list[str]
    instances: list[MyInstance]
    name: str | None = None


type HealthStatus = Literal["Healthy", "Degraded", "Unhealthy"]


class QueueState(Model):
    """A work queue; `poisonMessageCount` is what failed in it as often as it is tried."""

    queue: str
    message_count: Count
    poison_message_count: Count
    oldest_message_seconds: float
    oldest_message_date_time: str | None = None


class QueueList(Model):
    """The work queues. They are those of the service: its instances share them."""

    value: list[QueueState]


class Dependency(Model):
    """Something that the service needs.

    Without one that `isNeeded` no request can be served; without another only some work is not
    done. `error` is a sentence.
    """

    name: str
    is_healthy: bool
    is_needed: bool
    milliseconds: Count
    error: str | None = None


class ServiceHealth(Model):
    """How the service is doing.

    `eventLagSeconds` is the longest time between a change in the hub and its counting, in the last
    minute before `lastEventDateTime` in which there were any.
    """

    status: HealthStatus
    version: str
    dependencies: list[Dependency]
    queued_message_count: Count
    poison_message_count: Count
    oldest_message_seconds: float
    last_event_date_time: str | None = None
    event_lag_seconds: float | None = None


class PoisonMessage(Model):
    """Something that failed for good: a message of a queue, or events that were given up.

    `work` says what it was for and `about` on which things; `cause` is a word, `reason` a sentence.
    `isOver` says that there is nothing left to do: a replay discards it.
    """

    id: str
    queue: str
    work: str
    cause: str
    about: dict[str, Any]
    is_over: bool
    put_date_time: str | None = None
    reason: str | None = None


class PoisonList(Model):
    """What failed for good."""

    value: list[PoisonMessage]


class PoisonSelection(Model):
    """Which failed messages are meant: those of a queue, of a cause, of both, or all; at most
    `maximum` of them, so that many are handled in steps. Fewer outcomes say that no more are left.
    """

    queue: Annotated[str, Meta(max_length=64)] | None = None
    cause: Annotated[str, Meta(max_length=128)] | None = None
    maximum: Annotated[int, Meta(ge=1)] | None = None


class PoisonOutcome(Model):
    """What became of the failed messages of a queue."""

    queue: str
    replayed_count: Count
    discarded_count: Count


class PoisonOutcomes(Model):
    """What became of failed messages; queues without any are left out."""

    value: list[PoisonOutcome]


class SigningKey(Model):
    """A key that update manifests were signed with."""

    key_id: str
    is_current: bool
    is_disabled: bool


class SigningKeys(Model):
    """Which key signs update manifests, since when, and which ones were there before."""

    value: list[SigningKey]
    edition: Count
    root_key_version: Count
    changed_date_time: str
    changed_by: str
    package_expires_date_time: str | None = None


class ScannerState(Model):
    """A malware scanner in use; it has no versions where it tells its verdicts by events."""

    engine: str
    engine_version: str | None = None
    rules_version: str | None = None


class ScannerList(Model):
    """The malware scanners in use, and the last re-scan of what is published."""

    value: list[ScannerState]
    last_rescan_operation_id: str | None = None
    last_rescan_status: str | None = None
    last_rescan_date_time: str | None = None


class ServiceSettings(Model):
    """Settings of the service as they are in force; none of them is a secret.

    `retentionDays` says how long operations, audit, compliance and others are kept.
    """

    iot_hub: str
    diagnostics_container: str
    limits: dict[str, int]
    requests_per_minute: dict[str, int]
    page_size: Count
    hub_commands_per_second: float
    hub_reads_per_second: float
    hub_queries_per_minute: float
    download_link_hours: float
    import_drop_wait_seconds: float
    scan_engines: list[str]
    publishes_customer_events: bool
    retention_days: dict[str, int]
