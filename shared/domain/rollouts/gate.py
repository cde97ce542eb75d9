"""What lets a roll-out go on from a phase, and what it still lacks, in words."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

from shared.domain.instant import later
from shared.domain.rollouts.figures import Figures, added
from shared.domain.rollouts.progress import Status

if TYPE_CHECKING:
    from shared.domain.rollouts.progress import Progress
    from shared.domain.rollouts.specification import Gate, Rollout


def bad_of(rollout: Rollout, figures: Figures) -> int:
    """Devices that count as failed."""
    stuck = figures.stuck if rollout.deadlines.count_as_failure else 0
    return figures.failed + figures.reverted + stuck


def uncounted(rollout: Rollout, figures: Figures) -> int:
    """Stuck devices where they are no failures: they may still end well."""
    return 0 if rollout.deadlines.count_as_failure else figures.stuck


def lack(rollout: Rollout, gate: Gate, labels: Mapping[str, Figures]) -> str | None:
    """What is missing until enough devices of a phase have answered and succeeded, over all and in
    each class that is large enough; None if nothing is.

    Args:
        rollout: The roll-out.
        gate: The phase's.
        labels: The figures of the phase by class.
    """
    whole = added(labels.values())
    ended = whole.succeeded + bad_of(rollout, whole)
    answering = whole.total - whole.had - whole.canceled
    needed = min(gate.minimum_sample, answering - whole.unheard)
    if ended < needed or 100 * ended < gate.answered_percent * answering:
        least = max(needed, ceil(gate.answered_percent * answering / 100))
        return f"needs {_counted(least, 'answer')}, has {ended}"
    for class_id, figures in [("", whole), *labels.items()]:
        sample = _sample(rollout, figures)
        if class_id and sample < gate.minimum_sample:
            continue
        if 100 * figures.succeeded < gate.success_percent * sample:
            where = f" of device class {class_id}" if class_id else ""
            least = ceil(gate.success_percent * sample / 100)
            return (
                f"needs {_counted(least, 'success', 'successes')} of {sample}{where}, "
                f"has {figures.succeeded}"
            )
    return None


def waits_for(
    rollout: Rollout, progress: Progress, by_class: Mapping[str, Mapping[str, Figures]]
) -> str:
    """What the open phase waits for, as it follows on "the phase"; empty if nothing will follow.

    Args:
        rollout: The roll-out.
        progress: Where it stands.
        by_class: The figures of each class by label.
    """
    if not progress.opened or progress.status.is_final or progress.status is Status.COMPLETED:
        return ""
    if progress.unapproved_since:
        return "waits for approval by somebody who has neither made nor edited the deployment"
    if progress.status is Status.PAUSED:
        return f"is paused: {progress.reason.message}" if progress.reason else "is paused"
    if progress.status is Status.AWAITING_ADVANCE:
        return "waits for somebody to advance it"
    label = str(progress.phase)
    labels = {name: found[label] for name, found in by_class.items() if label in found}
    gate = rollout.phases[progress.phase].gate
    if not progress.covered_at:
        return f"has not asked all of its devices yet, {added(labels.values()).total} so far"
    missing = lack(rollout, gate, labels)
    if missing is not None:
        return missing
    if progress.status is Status.BAKING:
        ends_at = later(progress.met_since, gate.bake)
        return f"bakes until {ends_at[:16].replace('T', ' ')} UTC"
    return "has all that it needs"


def _sample(rollout: Rollout, figures: Figures) -> int:
    return figures.succeeded + bad_of(rollout, figures) + figures.open + uncounted(rollout, figures)


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
