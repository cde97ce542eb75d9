"""Which deployments decide nothing any more, for no device there is or may come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device_class import DeviceClass


def is_outlived(
    item: Deployment,
    others: Sequence[Deployment],
    classes: Iterable[DeviceClass],
    before: str,
) -> bool:
    """Whether a deployment may be forgotten.

    It may once, for each class that it targets, it was cancelled or a newer one has been asking
    everybody instead since before a time: who worked on it was told to stop, which takes a day at
    most. One that a rollback is about stays.

    Args:
        item: The deployment.
        others: The others of its group.
        classes: All device classes of the instance.
        before: ISO 8601, UTC.
    """
    if max(item.starts_at, item.created_at) >= before or item.events:
        return False
    if item.progress is not None and not item.progress.status.is_final:
        return False
    if item.undoes or any(other.undoes == item.workflow_id for other in others):
        return False
    return all(
        item.subgroup(each.class_id).is_canceled
        or any(_replaces(other, item, each, before) for other in others)
        for each in classes
        if item.targets(each)
    )


def _replaces(other: Deployment, item: Deployment, of: DeviceClass, before: str) -> bool:
    return (
        other.precedence > item.precedence
        and max(other.starts_at, other.created_at) < before
        and other.has_started(before)
        and other.reaches_everybody
        and other.targets(of)
        and other.may_ask(of.class_id)
    )
