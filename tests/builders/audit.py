"""Builders and looks that tests of audit share."""

from __future__ import annotations

from typing import Any

from shared.domain.audit import Actor, Change, Origin


def a_change(request_id: str, **given: Any) -> Change:
    facts: dict[str, Any] = {
        "request_id": request_id,
        "origin": Origin.REST,
        "actor": Actor("alice", roles=("DeviceUpdateAdministrator",)),
        "action": "create_or_update_deployment",
        "target": "management/groups/lobby/deployments/one",
        "begun_at": "2024-05-01T12:00:00.000000+00:00",
    }
    return Change(**{**facts, **given})
