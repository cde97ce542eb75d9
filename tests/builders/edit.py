"""Builders and looks that tests of edit share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor, DeploymentRequest, new_progress
from shared.domain.rollouts.progress import Opened, Progress, Status
from shared.domain.rollouts.specification import Rollout
from tests.unit.domain.builders import V2, a_deployment

MADE, NOW = "2026-12-01T08:00:00.000000+00:00", "2026-12-02T08:00:00.000000+00:00"


PHASES = [
    {"name": "canary", "select": {"count": 5}},
    {"name": "tenth", "select": {"percent": 10}},
    {"name": "all", "select": {"percent": 100}},
]


def a_rollout(**members: Any) -> Rollout:
    return msgspec.convert({"phases": PHASES, **members}, Rollout)


def a_phased(
    opened: int = 2, rollout: Rollout | None = None, status: Status = Status.RUNNING, **changes: Any
) -> Deployment:
    rollout = rollout or a_rollout()
    made = new_progress(rollout, Actor("anna", MADE), needs_approval=False)
    approved = {"unapproved_since": 0, "was_approved": True, "editors": ("anna",)}
    progress = msgspec.structs.replace(
        made, status=status, opened=(Opened(at=MADE),) * opened, **{**approved, **changes}
    )
    return replace(
        a_deployment("w1"), update_id=V2, starts_at=MADE, rollout=rollout, progress=progress
    )


def asked(item: Deployment, **changes: Any) -> DeploymentRequest:
    return replace(
        DeploymentRequest(item.deployment_id, item.group_id, item.update_id, item.starts_at),
        **changes,
    )


def progress_of(item: Deployment) -> Progress:
    assert item.progress is not None
    return item.progress
