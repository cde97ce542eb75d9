"""A device of a simulated fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device to simulate: identity, model and group, and what its simulator says and how
    slowly.
    """

    device_id: str
    manufacturer: str
    model: str
    group: str | None = None
    simulator: Mapping[str, Any] = field(default_factory=dict)
