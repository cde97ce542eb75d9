"""When a deployment has finished.

It has when it has begun and no device is left that it waits for: each device of the classes that it
is in force for has succeeded, failed or been cancelled. It does not wait where a newer deployment
has taken over, and one that is cancelled for every class ends with that. A roll-out has finished
when its last phase has passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from shared.domain.fleet.compliance import state_counts
from shared.domain.fleet.counters import TOTAL, Cell, Counts
from shared.domain.fleet.deployment import Deployment, DeploymentState, state_for
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.rollouts.progress import Status


def final_counts(
    deployment: Deployment,
    deployments: Sequence[Deployment],
    classes: Iterable[DeviceClass],
    counts: Counts,
    now: str,
) -> Mapping[DeviceState, int] | None:
    """Devices by state once the deployment has finished; None before that, or if it never will.

    Args:
        deployment: The deployment.
        deployments: All of its group.
        classes: All of the instance.
        counts: The counters of the group.
        now: ISO 8601, UTC.
    """
    if deployment.starts_at > now:
        return None
    if deployment.progress is not None and deployment.progress.status is not Status.COMPLETED:
        return None
    sums: Counter[DeviceState] = Counter()
    is_open = False
    for device_class in classes:
        cells = counts.get((deployment.group_id, device_class.class_id), {})
        found = state_counts(cells, deployment.workflow_id)
        present = _expected(deployment, cells) if deployment.targets(device_class) else 0
        if not found.commanded and not present:
            continue
        state = state_for(deployment, deployments, device_class, now)
        if state is DeploymentState.ACTIVE and found.commanded < present:
            return None
        waits = state is not DeploymentState.INACTIVE and deployment.rollout is None
        if waits and found.in_progress:
            return None
        is_open = is_open or state is not DeploymentState.CANCELED
        sums.update(
            {
                DeviceState.SUCCEEDED: found.succeeded,
                DeviceState.FAILED: found.failed,
                DeviceState.CANCELED: found.canceled,
                DeviceState.IN_PROGRESS: found.in_progress,
            }
        )
    return sums if is_open and sums.total() else None


def _expected(deployment: Deployment, cells: Mapping[Cell, int]) -> int:
    """How many devices of a class it asks: all, or all that what it undoes has asked. A roll-out
    has passed its last phase by then.
    """
    if deployment.undoes:
        return state_counts(cells, deployment.undoes).commanded
    return cells.get(TOTAL, 0) if deployment.rollout is None else 0
