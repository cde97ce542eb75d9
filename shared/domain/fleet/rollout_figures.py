"""The figures of a roll-out from the counters of its group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.rollouts.figures import Figures, figures_by_label

if TYPE_CHECKING:
    from shared.domain.fleet.counters import Counts
    from shared.domain.fleet.deployment import Deployment


def figures_by_class(
    deployment: Deployment, counts: Counts, as_of: str
) -> dict[str, dict[str, Figures]]:
    """Figures by class and label; classes in which nobody was asked are left out.

    Args:
        deployment: One with a roll-out.
        counts: Counters of its group.
        as_of: When the counters began to be read, ISO 8601.
    """
    if deployment.rollout is None:
        return {}
    found = {}
    for (group_id, class_id), cells in counts.items():
        if group_id != deployment.group_id:
            continue
        labels = figures_by_label(
            cells, deployment.workflow_id, deployment.rollout.deadlines, as_of
        )
        if labels:
            found[class_id] = labels
    return found
