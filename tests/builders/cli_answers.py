"""What the service answers to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def an_operation(status: str, stage: str = "end", **more: Any) -> dict[str, Any]:
    return {
        "operationId": "o1",
        "status": status,
        "stage": stage,
        "createdDateTime": "2026-01-01T00:00:00Z",
        "lastActionDateTime": "2026-01-01T00:00:00Z",
        **more,
    }
