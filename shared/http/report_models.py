"""The JSON objects of overviews and of figures over time. All are additional."""

from __future__ import annotations

from typing import Literal

from shared.http.models import (
    ComplianceCounts,
    Count,
    Deployment,
    Model,
    UpdateId,
    UpdateInfo,
)


class DeploymentCounts(Model):
    """Devices of a deployment by state; `waiting` ones have not been asked to run it yet."""

    succeeded: Count
    in_progress: Count
    failed: Count
    canceled: Count
    waiting: Count
    total: Count


class DeploymentOverview(Model):
    """A deployment and how it stands.

    `course` is `Planned` before the start, `Finished` once no device is left that it waits for or
    nobody is asked to run it any more, else `Running`.
    """

    deployment: Deployment
    state: Literal["Active", "ActiveWithSubgroupFailures", "Failed", "Inactive", "Canceled"]
    course: Literal["Planned", "Running", "Finished"]
    counts: DeploymentCounts
    created_date_time: str
    created_by: str | None = None


class AttentionItem(Model):
    """Something that needs attention.

    `deviceCount` devices are concerned; where it is about something else, `count` says how much.
    `code` is that of a failure or an error, `subject` the update, the queue or the deployment it is
    about, the last of group `groupId`. `filter` lists the devices, where lists of devices can.
    `RolloutHeld` is a roll-out that goes on only once somebody decides; its `code` is its status.
    """

    cause: Literal[
        "Failed",
        "Silent",
        "Stuck",
        "Unhealthy",
        "RefusedImport",
        "RecalledInstalled",
        "CounterDrift",
        "ClassesHeldBack",
        "FailedForGood",
        "RolloutHeld",
    ]
    message: str
    next_step: str
    device_count: Count | None = None
    count: Count | None = None
    code: str | None = None
    subject: str | None = None
    group_id: str | None = None
    filter: str | None = None


class AttentionList(Model):
    """What needs attention, what concerns most devices first."""

    value: list[AttentionItem]


class InstalledUpdate(Model):
    """An update, absent for devices that have none, and on how many devices it is installed."""

    device_count: Count
    is_best_for_class: bool
    update: UpdateInfo | None = None


class InstalledUpdates(Model):
    """Installed updates, those on most devices first."""

    value: list[InstalledUpdate]


class DeploymentRef(Model):
    """Names a deployment."""

    group_id: str
    deployment_id: str


class UpdateUsage(Model):
    """What an update is used for: devices, deployments, updates that refer to it."""

    device_count: Count
    deployments: list[DeploymentRef]
    referenced_by: list[UpdateId]
    size_in_bytes: Count


class ComplianceDay(ComplianceCounts):
    """The compliance at the end of a day (UTC), or now."""

    date: str


class ComplianceMark(Model):
    """Something that makes compliance jump."""

    date_time: str
    kind: Literal["Published"]
    update_id: UpdateId


class ComplianceHistory(Model):
    """Compliance by day, the oldest first, and what was published meanwhile."""

    value: list[ComplianceDay]
    marks: list[ComplianceMark]


class ProgressPoint(Model):
    """How a deployment stood at a time."""

    date_time: str
    succeeded: Count
    in_progress: Count
    failed: Count
    canceled: Count


class DeploymentProgress(Model):
    """How a deployment has moved: points, the oldest first, at most one a minute while it moved.

    `ratePerMinute` are the devices that ended a minute in the last quarter of an hour.
    """

    value: list[ProgressPoint]
    rate_per_minute: float | None = None


class Change(Model):
    """Something that was written; a deployment's id is `group/deployment`."""

    kind: Literal["group", "deployment", "update", "operation"]
    id: str
    etag: str


class Changes(Model):
    """What was written since a cursor, and the cursor to ask with next. Changes may come twice."""

    cursor: str
    changed: list[Change]


class SearchHit(Model):
    """Something that was found; `link` is its path below the instance."""

    kind: Literal["device", "group", "deviceClass", "deployment", "update"]
    id: str
    title: str
    link: str


class SearchHits(Model):
    """What was found, at most ten of each kind."""

    value: list[SearchHit]
