"""A device as lists show it, and what lists can select by.

What is listed is kept as a row of its own beside the device's (the index), so that a list reads
neither twins nor evidence. `listed` alone makes it: an index always equals a recount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contract.twin import StepReport
from shared.domain.fleet.compliance import is_on_latest
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    DeviceView,
    device_key,
    evidence_of,
    view,
    working_since,
)
from shared.domain.fleet.failure import counted_as, failure_of
from shared.domain.fleet.health import health_of
from shared.domain.updates.update_id import UpdateId

type ListedPlace = tuple[str, str]
"""Group and device: where a device is in the lists."""


@dataclass(frozen=True, slots=True)
class InstallResult:
    """What a device reported last about an installation."""

    code: int
    extended_codes: tuple[int, ...] = ()
    details: str | None = None
    steps: tuple[StepReport, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device that has a class.

    `failure_codes` are those of its last deployment, if it has failed, `refusal` is what the hub
    said where it refused the command. `heard_at` is when it last reported something, empty if
    never; `is_connected` is None where the hub has not told.
    `working_since` is the last that is known of a deployment in progress: a report about it, or
    when the device was asked; empty if none is in progress. `health` is a state of `health`.
    """

    device_id: str
    module_id: str | None
    group_id: str
    class_id: str
    installed: UpdateId | None = None
    attempted: UpdateId | None = None
    deployment_id: str | None = None
    state: DeviceState | None = None
    result: InstallResult | None = None
    failure_codes: tuple[int, ...] = ()
    refusal: str = ""
    heard_at: str = ""
    is_connected: bool | None = None
    working_since: str = ""
    health: str = ""

    @property
    def key(self) -> str:
        """Identity within the instance."""
        return device_key(self.device_id, self.module_id)

    @property
    def place(self) -> ListedPlace:
        """Where it is in the lists."""
        return self.group_id, self.key

    @property
    def failure_code(self) -> str:
        """The code that its failure is counted under; empty if it has not failed."""
        return counted_as(self.failure_codes) if self.state is DeviceState.FAILED else ""

    @property
    def columns(self) -> dict[str, str]:
        """What a list can select by, as storage compares it."""
        connected = {None: "", True: "yes", False: "no"}[self.is_connected]
        return {
            "group": self.group_id,
            "class": self.class_id,
            "state": self.state.value if self.state else "",
            "health": self.health,
            "failure": self.failure_code,
            "installed": str(self.installed) if self.installed else "",
            "connected": connected,
            "heard": self.heard_at,
            "working": self.working_since,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices a list has: all that meet every part that is not None.

    `columns` must be equal to those of the device. `heard_before` and `working_before` are instants
    or days: of what has neither, neither holds. `failure_code` is of a failure, or what failures
    like it are counted under. `latest` are the best updates by class, for `is_on_latest`.
    `installed_among` only helps storage to find what `is_on_latest` asks for.
    """

    columns: Mapping[str, str]
    id_prefix: str = ""
    heard_before: str | None = None
    working_before: str | None = None
    may_be_connected: bool = True
    failure_code: int | None = None
    is_on_latest: bool | None = None
    latest: Mapping[str, UpdateId | None] | None = None
    installed_among: frozenset[str] | None = None

    @property
    def is_selective(self) -> bool:
        """Whether counters may tell where its devices are."""
        others = (self.heard_before, self.working_before, self.is_on_latest)
        return bool(self.columns.keys() - {"group"}) or any(each is not None for each in others)

    def has(self, device: ListedDevice) -> bool:
        """Whether a device is one of them."""
        columns = device.columns
        return (
            all(columns[name] == value for name, value in self.columns.items())
            and device.device_id.startswith(self.id_prefix)
            and (self.may_be_connected or device.is_connected is not True)
            and _is_before(device.heard_at, self.heard_before)
            and _is_before(device.working_since, self.working_before)
            and self._has_code(device)
            and (self.is_on_latest is None or self.is_on_latest is self._is_on_latest(device))
        )

    def _has_code(self, device: ListedDevice) -> bool:
        """Codes that are counted together are told apart, unless their common one is asked for."""
        if self.failure_code is None:
            return True
        wanted = f"{self.failure_code:08X}"
        return wanted in (device.failure_code, failure_of(device.failure_codes).code)

    def _is_on_latest(self, device: ListedDevice) -> bool:
        return is_on_latest(device.installed, (self.latest or {}).get(device.class_id))


def listed(record: DeviceRecord, seen: DeviceView | None = None) -> ListedDevice | None:
    """A device as lists show it; None if no list has it, because it has no class.

    Args:
        record: The device.
        seen: What the record adds up to, where that is known already.
    """
    seen = seen or view(record)
    if seen.device_class is None:
        return None
    commanded, known, health = record.commanded, evidence_of(record), health_of(record, seen)
    is_busy = commanded is not None and seen.state is DeviceState.IN_PROGRESS
    has_failed = known is not None and seen.state is DeviceState.FAILED
    return ListedDevice(
        device_id=record.device_id,
        module_id=record.module_id,
        group_id=seen.group_id,
        class_id=seen.device_class.class_id,
        installed=seen.installed,
        attempted=commanded.update_id if commanded else None,
        deployment_id=commanded.deployment_id if commanded else None,
        state=seen.state,
        result=_result(seen),
        failure_codes=known.extended_result_codes if known and has_failed else (),
        refusal=commanded.refusal if commanded and has_failed else "",
        heard_at=record.heard_at,
        is_connected=record.is_connected if record.connection_sequence else None,
        working_since=working_since(record) if is_busy else "",
        health=health.state if health else "",
    )


def _result(seen: DeviceView) -> InstallResult | None:
    report = seen.report
    if report.result_code is None:
        return None
    return InstallResult(
        code=report.result_code,
        extended_codes=report.extended_result_codes,
        details=report.result_details,
        steps=report.step_results,
    )


def _is_before(at: str, limit: str | None) -> bool:
    return limit is None or bool(at and at < limit)
