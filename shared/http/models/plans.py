"""The JSON objects of plans in the REST API; all are additional to the published API."""

from __future__ import annotations

from shared.http.models.common import Count, Model, UpdateInfo


class PlanRange(Model):
    """Devices expected, and the range that holds in 19 of 20 cases."""

    expected: Count
    least: Count
    most: Count


class PlanPhase(Model):
    """What one phase would do. `opensAt` is left out where no window opens; `asking` and `bake`
    are durations.
    """

    name: str
    devices: PlanRange
    asking: str
    bake: str
    waits_for_person: bool
    opens_at: str | None = None


class PlanReason(Model):
    """Devices of the group that would not get the update, and why."""

    code: str
    message: str
    devices: Count
    device_class_id: str | None = None


class PlanWarning(Model):
    """What is allowed and probably not meant."""

    code: str
    message: str


class DeploymentPlan(Model):
    """What a deployment would do; nothing is stored and no device is asked.

    `estimatedEnd` takes a device to need ten minutes and nothing to fail; it is left out where a
    person is waited for or no window opens.
    """

    update: UpdateInfo
    targeted_devices: Count
    phases: list[PlanPhase]
    not_targeted: list[PlanReason]
    warnings: list[PlanWarning]
    needs_approval: bool
    as_of: str
    estimated_end: str | None = None
