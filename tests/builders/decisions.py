"""One device before its deployments, and what is decided about it and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.rollouts.progress import Hold, Opened, Progress, Status
from shared.domain.rollouts.specification import Rollout
from tests.unit.domain.builders import (
    LONG_AGO,
    a_change,
    a_command,
    a_deployment,
    a_record,
    at_second,
    started,
)

type Note = tuple[Why, str | None, str]
"""Why, the workflow of the deployment, and until when."""

NOW = at_second(100)
STARTED = a_record(a_change(1, started()))


class Notes:
    """Takes down everything."""

    def __init__(self) -> None:
        self.all: list[Note] = []

    def note(self, why: Why, deployment: Deployment | None, until: str = "") -> None:
        """Take down a reason."""
        self.all.append((why, deployment.workflow_id if deployment else None, until))


def kiosk_id() -> str:
    """The class of the devices here."""
    seen = view(STARTED).device_class
    assert seen is not None
    return seen.class_id


ASKED = replace(a_command("w1", class_id=kiosk_id()), at=at_second(10), asked_at=at_second(10))
"""The command of `w1`, given ten seconds after midnight and a minute and a half before `NOW`."""


def a_device(
    *reports: dict[str, Any], asked: DeviceCommand | None = ASKED, **changes: Any
) -> DeviceRecord:
    """A kiosk that was asked, and has reported since: the first at second 20, then each second."""
    told = [
        a_change(version, report, at=at_second(18 + version))
        for version, report in enumerate(reports, 2)
    ]
    record = a_record(a_change(1, started()), *told, commanded=asked)
    return replace(record, **changes)


def a_phased(
    workflow_id: str = "w1",
    *,
    status: Status = Status.RUNNING,
    hold: Hold = Hold.NONE,
    opened: int = 1,
    covered_at: str = "",
    given: dict[str, Any] | None = None,
    **rollout: Any,
) -> Deployment:
    """A roll-out of which so many phases are open."""
    phases = tuple(Opened(at=LONG_AGO, covered_at=covered_at) for _ in range(opened))
    progress = Progress(status=status, hold=hold, opened=phases)
    return a_deployment(workflow_id, rollout=Rollout(**rollout), progress=progress, **(given or {}))


def decide(
    record: DeviceRecord,
    *deployments: Deployment,
    now: str = NOW,
    **given: Any,
) -> tuple[Decision, list[Note]]:
    """What is decided, and all that was noted; `given` is as `desired_command` has it."""
    notes = Notes()
    found = desired_command(record, by_precedence(deployments), now, notes, **given)
    assert found == desired_command(record, by_precedence(deployments), now, **given)
    return found, notes.all


def canceled(command: DeviceCommand, now: str = NOW, **changes: Any) -> DeviceCommand:
    """The command, as one to stop."""
    return replace(command, is_cancel=True, canceled_at=now, **changes)


def withdrawn(command: DeviceCommand, now: str = NOW) -> DeviceCommand:
    """The command, taken back before the device has begun it."""
    return canceled(command, now, withdrawn_at=now)
