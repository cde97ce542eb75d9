"""Whether a device can take updates, judged from what it has reported and done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.fleet.device import DeviceRecord, DeviceState, DeviceView, has_agent, view
from shared.domain.fleet.twin_content import MODEL

type HealthState = Literal["healthy", "unhealthy"]

HEALTHY: HealthState = "healthy"
UNHEALTHY: HealthState = "unhealthy"
_CONTRACT_MODEL = "agent.deviceProperties.contractModelId"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    is_passed: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The checks of a device; it is healthy when it passes them all.

    `model_id` is the model of its twin, None where that is not known.
    """

    model_id: str | None
    checks: tuple[Check, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether every check is passed."""
        return all(check.is_passed for check in self.checks)

    @property
    def state(self) -> HealthState:
        """`HEALTHY` or `UNHEALTHY`."""
        return HEALTHY if self.is_healthy else UNHEALTHY


def health_of(record: DeviceRecord, seen: DeviceView | None = None) -> Health | None:
    """The health of a device; None if it has no update agent, or is gone.

    The checks: its agent has named a contract model, what it reports makes a device class, its last
    deployment has not failed, and it is connected. The last is left out as long as the hub has not
    told of its connection: it does so only of devices that send telemetry or take messages.

    Args:
        record: The device.
        seen: What the record adds up to, where that is known already.
    """
    if not has_agent(record):
        return None
    seen = seen or view(record)
    contract = record.registers.get(_CONTRACT_MODEL, (0, None))[1]
    _, model = record.registers.get(MODEL, (0, None))
    checks = [
        Check("contract model known", isinstance(contract, str)),
        Check("device class known", seen.device_class is not None),
        Check("last deployment not failed", seen.state is not DeviceState.FAILED),
    ]
    if record.connection_sequence:
        checks.append(Check("connected", record.is_connected))
    return Health(model if isinstance(model, str) else None, tuple(checks))
