"""Builders and looks that tests of relay share."""

from __future__ import annotations

import json
from typing import Any

from shared.services.devices.relay import HubEvent
from tests.unit.domain.builders import started

WHEN = "2024-05-01T10:00:00.1234567Z"


def an_event(
    body: Any | None = None, *, version: int = 5, device_id: str = "d1", **properties: Any
) -> HubEvent:
    content = {"properties": {"reported": started()}} if body is None else body
    document = {"version": version, **content} if isinstance(content, dict) else content
    return HubEvent(
        {
            "iothub-message-schema": "twinChangeNotification",
            "hubName": "hub",
            "deviceId": device_id,
            "operationTimestamp": WHEN,
            "opType": "updateTwin",
            **properties,
        },
        document if isinstance(document, bytes) else json.dumps(document).encode(),
    )
