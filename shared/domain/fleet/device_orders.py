"""What operators order for one device: its own deployments, exclusions, cancels and retries.

Each gives the device's record as it is to be; the same order twice is one. What follows for the
twin is `reconcile.desired_command`'s to say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.errors import Conflict, LimitExceeded, NotFound
from shared.domain.fleet.device import outcome_of
from shared.domain.fleet.orders import EVERYTHING, MAX_ORDERS, Order, OrderKind, order_of
from shared.domain.rollouts.figures import Outcome

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment
    from shared.domain.fleet.device import DeviceRecord


def ordered(record: DeviceRecord, order: Order) -> DeviceRecord:
    """The device with an order; a cancel undoes a retry of the same deployment, and the other way
    round.

    Raises:
        Conflict: A retry of what has neither failed on the device nor was cancelled for it.
        LimitExceeded: It has as many exclusions as it may have.
    """
    if order.kind is OrderKind.RETRY:
        _check_retry(record, order)
    elif order_of(record.orders, order.kind, order.workflow_id) is not None:
        return record
    undone = {
        OrderKind.RETRY: {OrderKind.RETRY, OrderKind.CANCEL},
        OrderKind.CANCEL: {OrderKind.RETRY, OrderKind.CANCEL},
        OrderKind.EXCLUDE: {OrderKind.EXCLUDE},
    }[order.kind]
    left = [
        each
        for each in record.orders
        if each.workflow_id != order.workflow_id or each.kind not in undone
    ]
    return replace(record, orders=(*_with_room(left), order))


def included(record: DeviceRecord, workflow_id: str) -> DeviceRecord:
    """The device without the exclusion from a deployment, or from everything."""
    left = tuple(
        each
        for each in record.orders
        if each.kind is not OrderKind.EXCLUDE or each.workflow_id != workflow_id
    )
    return replace(record, orders=left)


def with_own(record: DeviceRecord, deployment: Deployment) -> DeviceRecord:
    """The device with a deployment of its own; one of the same id that deploys the same stays, with
    the windows as they are now asked for.

    Raises:
        Conflict: It has one of that id that deploys something else.
        LimitExceeded: It has as many as it may have.
    """
    for known in record.own:
        if known.deployment_id == deployment.deployment_id:
            if known.update_id != deployment.update_id:
                raise Conflict(
                    f"The device's deployment '{known.deployment_id}' deploys "
                    f"'{known.update_id}'; use another id.",
                    code="Immutable",
                    target="/update/updateId",
                )
            changed = replace(
                known,
                own_windows=deployment.own_windows,
                ignores_device_window=deployment.ignores_device_window,
            )
            return replace(
                record, own=tuple(changed if each is known else each for each in record.own)
            )
    if len(record.own) >= MAX_ORDERS:
        raise LimitExceeded(
            f"The device has {MAX_ORDERS} deployments of its own; delete some.",
            target="deploymentId",
        )
    return replace(record, own=(*record.own, deployment))


def without_own(record: DeviceRecord, deployment_id: str) -> DeviceRecord:
    """The device without a deployment of its own; the orders about it go as well.

    Raises:
        NotFound: It has none of that id.
    """
    gone = own_of(record, deployment_id)
    return replace(
        record,
        own=tuple(each for each in record.own if each is not gone),
        orders=tuple(each for each in record.orders if each.workflow_id != gone.workflow_id),
    )


def own_of(record: DeviceRecord, deployment_id: str) -> Deployment:
    """A deployment of the device's own. Raises NotFound."""
    for each in record.own:
        if each.deployment_id == deployment_id:
            return each
    raise NotFound(
        f"Device '{record.key}' has no deployment '{deployment_id}' of its own.",
        target="deploymentId",
    )


def is_in_force(record: DeviceRecord, own: Deployment) -> bool:
    """Whether a deployment of the device's own may still ask it."""
    ended = (OrderKind.CANCEL, OrderKind.EXCLUDE)
    is_ended = any(order_of(record.orders, kind, own.workflow_id) is not None for kind in ended)
    return own.recall_reason is None and not is_ended


def is_excluded_from_everything(record: DeviceRecord) -> bool:
    """Whether no deployment may ask the device."""
    return order_of(record.orders, OrderKind.EXCLUDE, EVERYTHING) is not None


def _check_retry(record: DeviceRecord, order: Order) -> None:
    if order_of(record.orders, OrderKind.CANCEL, order.workflow_id) is not None:
        return  # undoes the cancel, whether the device has been asked yet or not
    commanded = record.commanded
    is_last = commanded is not None and commanded.workflow_id == order.workflow_id
    if not is_last or outcome_of(record) not in (Outcome.FAILED, Outcome.CANCELED):
        raise Conflict(
            f"Device '{record.key}' has not failed in this deployment, or was asked for another "
            "since; there is nothing to try again.",
            code="NothingToRetry",
            target="deploymentId",
        )


def _with_room(orders: list[Order]) -> list[Order]:
    """Room for one more: what was done once and for all goes first."""
    if len(orders) < MAX_ORDERS:
        return orders
    spent = [each for each in orders if each.kind is not OrderKind.EXCLUDE]
    if not spent:
        raise LimitExceeded(
            f"The device is excluded from {MAX_ORDERS} deployments; exclude it from all of them "
            "(`*`), or include it again somewhere.",
            target="deploymentId",
        )
    oldest = min(spent, key=lambda each: each.at)
    return [each for each in orders if each is not oldest]
