"""What operators ordered for one device, within or apart from the deployments of its group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

EVERYTHING = "*"
"""Excludes a device from every deployment, in place of a workflow id."""
MAX_ORDERS = 16
"""Orders and own deployments that a device row may keep, each."""


class OrderKind(StrEnum):
    """What an order is."""

    CANCEL = "Cancel"
    RETRY = "Retry"
    EXCLUDE = "Exclude"


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `workflow_id` is the deployment's; `at` is ISO 8601 in UTC, `by` an object id."""

    kind: OrderKind
    workflow_id: str
    at: str
    by: str = ""
    reason: str = ""


def order_of(orders: Iterable[Order], kind: OrderKind, workflow_id: str) -> Order | None:
    """The newest order of a kind for a deployment."""
    names = (workflow_id, EVERYTHING) if kind is OrderKind.EXCLUDE else (workflow_id,)
    found = [item for item in orders if item.kind is kind and item.workflow_id in names]
    return max(found, key=lambda item: item.at, default=None)
