"""Tells whether the deployments of a group are still those that its last sum was judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from shared.domain.fleet.deployment import Deployment
from shared.ports import Stored


def fingerprint(deployments: Iterable[Stored[Deployment]]) -> str:
    """A short text that differs once one of them has changed, come or gone; empty for none."""
    lines = sorted(f"{item.value.deployment_id} {item.etag}" for item in deployments)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""
