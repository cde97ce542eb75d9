"""A device of a simulated fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device to simulate: identity, model and group, what its simulator says and how slowly, and
    which agent it runs: ours, or the model of the open-source C agent.
    """

    device_id: str
    manufacturer: str
    model: str
    group: str | None = None
    simulator: Mapping[str, Any] = field(default_factory=dict)
    agent: Literal["odu", "c"] = "odu"
