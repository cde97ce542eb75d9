"""Builders and looks that tests of ports share."""

from __future__ import annotations

from typing import Any

from shared.domain.operation import Operation, OperationStatus, Stage
from shared.ports import Page


def an_operation(identity: str, **changes: Any) -> Operation:
    given: dict[str, Any] = {
        "operation_id": identity,
        "kind": "import",
        "status": OperationStatus.RUNNING,
        "stage": Stage.FETCH,
        "created_at": "t0",
        "changed_at": "t1",
        "trace_id": "trace",
    }
    return Operation(**{**given, **changes})


async def every[T](first: Page[T], following: Any) -> list[T]:
    items, token = list(first.items), first.token
    while token is not None:
        page = await following(token)
        items += page.items
        token = page.token
    return items
