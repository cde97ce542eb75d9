"""Collections of diagnostic logs: which devices are asked and how far each one is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.contract.diagnostics import LogResult, log_folder
from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import device_key
from shared.domain.operation import OperationStatus

LINK_HOURS = 24.0
"""How long devices may write; one that has not by then counts as failed."""
READ_HOURS = 1.0
"""How long a link opens an uploaded log."""
_ID = re.compile(r"[A-Za-z0-9._~-]{1,256}")
_ENDED = (OperationStatus.SUCCEEDED, OperationStatus.FAILED)


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """A device that is asked for its logs; `result_code` is what it reported."""

    device_id: str
    module_id: str | None = None
    status: OperationStatus = OperationStatus.NOT_STARTED
    result_code: int | None = None

    @property
    def key(self) -> str:
        """Identity of the device or module within the instance."""
        return device_key(self.device_id, self.module_id)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that a device has uploaded; `url` opens it for `READ_HOURS`."""

    device: DeviceLog
    name: str
    modified_at: str
    url: str


@dataclass(frozen=True, slots=True)
class LogCollection:
    """A collection. Times are ISO 8601, UTC."""

    collection_id: str
    created_at: str
    changed_at: str
    expires_at: str
    devices: tuple[DeviceLog, ...]
    description: str | None = None

    @property
    def status(self) -> OperationStatus:
        """Failed when all have ended and not all well."""
        found = {device.status for device in self.devices}
        if found == {OperationStatus.NOT_STARTED}:
            return OperationStatus.NOT_STARTED
        if not found.issubset(_ENDED):
            return OperationStatus.RUNNING
        return OperationStatus.FAILED if OperationStatus.FAILED in found else found.pop()

    @property
    def waiting(self) -> list[DeviceLog]:
        """The devices that have not been asked yet."""
        return [item for item in self.devices if item.status is OperationStatus.NOT_STARTED]

    def folder(self, device: DeviceLog) -> str:
        """Where a device's logs lie in the container."""
        return log_folder(device.device_id, device.module_id, self.collection_id)

    def asked(self, outcomes: Mapping[str, OperationStatus], now: str) -> LogCollection:
        """After devices, by key, were asked; whoever has answered meanwhile is left alone."""
        return self._with(
            {
                item.key: replace(item, status=outcomes[item.key])
                for item in self.waiting
                if item.key in outcomes
            },
            now,
        )

    def reported(self, key: str, code: int, now: str) -> LogCollection:
        """After a device's report; the first one counts."""
        is_good = code == LogResult.SUCCESS
        status = OperationStatus.SUCCEEDED if is_good else OperationStatus.FAILED
        return self._with(
            {
                item.key: replace(item, status=status, result_code=code)
                for item in self.devices
                if item.key == key and item.result_code is None
            },
            now,
        )

    def as_of(self, now: str) -> LogCollection:
        """As it stands at a time: past its end, whoever has not answered has failed."""
        if now < self.expires_at:
            return self
        return self._with(
            {
                item.key: replace(item, status=OperationStatus.FAILED)
                for item in self.devices
                if item.status not in _ENDED
            },
            self.expires_at,
        )

    def _with(self, changed: Mapping[str, DeviceLog], now: str) -> LogCollection:
        if not changed:
            return self
        devices = tuple(changed.get(item.key, item) for item in self.devices)
        return replace(self, devices=devices, changed_at=now)


def check_collection_id(text: str) -> None:
    """Refuse an id that could not be part of a blob's name as it stands. Raises InvalidInput."""
    if not _ID.fullmatch(text) or not text.strip("."):
        raise InvalidInput(
            "The id of a log collection has 1 to 256 letters, digits and . _ ~ -",
            target="operationId",
        )
