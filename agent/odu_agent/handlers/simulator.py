"""A handler that installs nothing and says what it is told to say.

It fetches and checks files like any handler. Its data have the public agent's form
(du-simulator-data.json) with one addition, `delaySeconds`, in an entry or for a phase:

    {"download": {"<fileName>": {"resultCode": 500}, "*": {"resultCode": 500}},
     "install": {"resultCode": 600, "delaySeconds": 2}, "apply": {"resultCode": 700},
     "isInstalled": {"<installedCriteria>": {"resultCode": 900}, "*": {"resultCode": 901}},
     "delaySeconds": {"apply": 1}}

Without an entry every action succeeds, and a step is installed once it has been applied: the
criteria are kept for each step of each update name, as a device holds one version of a thing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..contract.codes import ResultCode
from ..contract.twin import extended_result_codes
from ..state import JsonFile
from . import CANCELLED, HandlerEnvironment, StepContext, StepResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HANDLER_NAMES = (
    "microsoft/apt:1",
    "microsoft/script:1",
    "microsoft/simulator:1",
    "microsoft/swupdate:1",
    "microsoft/swupdate:2",
    "microsoft/wim:1",
)
DATA_FILE = "du-simulator-data.json"


class Simulator:
    """The simulator of one device.

    Args:
        folder: Keeps what is installed, and may hold du-simulator-data.json, read on each call.
        data: Used instead of that file when not empty.
    """

    def __init__(self, folder: Path, data: Mapping[str, Any] | None = None) -> None:
        self._installed = JsonFile(folder / "simulator.json")
        self._data_file = JsonFile(folder / DATA_FILE)
        self._data = data

    def is_installed(self, step: StepContext) -> StepResult:
        """As the data say for the criteria, else whether the step was applied."""
        criteria = _criteria(step)
        entry = self._named_entry("isInstalled", criteria)
        if entry is not None:
            return _result(entry, ResultCode.NOT_INSTALLED)
        is_there = self._installed.read().get(_slot(step)) == criteria
        return StepResult(ResultCode.INSTALLED if is_there else ResultCode.NOT_INSTALLED)

    def download(self, step: StepContext) -> StepResult:
        """Fetch the files, unless the data say that one of them fails."""
        names = [file.name for file in step.files] or ["*"]
        entries = [self._named_entry("download", name) or {} for name in names]
        if self._is_cut_short("download", entries[0], step):
            return CANCELLED
        results = [_result(entry, ResultCode.DOWNLOAD_SUCCESS) for entry in entries]
        failed = next((result for result in results if not result.is_success), None)
        if failed is not None:
            return failed
        step.fetch_files()
        return results[-1]

    def backup(self, step: StepContext) -> StepResult:
        """As the data say, else success."""
        return self._act("backup", step, ResultCode.BACKUP_SUCCESS)

    def install(self, step: StepContext) -> StepResult:
        """As the data say, else success."""
        return self._act("install", step, ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        """As the data say, else success, after which the step is installed."""
        result = self._act("apply", step, ResultCode.APPLY_SUCCESS)
        if result.is_success:
            self._installed.update({_slot(step): _criteria(step)})
        return result

    def restore(self, step: StepContext) -> StepResult:
        """As the data say, else success."""
        return self._act("restore", step, ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        """As the data say, else success."""
        return _result(self._entry("cancel"), ResultCode.CANCEL_SUCCESS)

    def _act(self, phase: str, step: StepContext, default: ResultCode) -> StepResult:
        entry = self._entry(phase)
        if phase != "restore" and self._is_cut_short(phase, entry, step):
            return CANCELLED
        return _result(entry, default)

    def _is_cut_short(self, phase: str, entry: Mapping[str, Any], step: StepContext) -> bool:
        common = _object(self._read().get("delaySeconds")).get(phase)
        seconds = entry.get("delaySeconds", common)
        return isinstance(seconds, (int, float)) and step.cancelled.wait(max(0.0, seconds))

    def _read(self) -> Mapping[str, Any]:
        return self._data or self._data_file.read()

    def _entry(self, phase: str) -> Mapping[str, Any]:
        return _object(self._read().get(phase))

    def _named_entry(self, phase: str, name: str) -> Mapping[str, Any] | None:
        entries = self._entry(phase)
        entry = entries.get(name, entries.get("*"))
        return entry if isinstance(entry, dict) else None


def create(environment: HandlerEnvironment) -> Simulator:
    """The simulator as a handler among others; its data are its settings or a file."""
    return Simulator(environment.folder, environment.settings)


def simulated_handlers(folder: Path, data: Mapping[str, Any] | None = None) -> dict[str, Simulator]:
    """One simulator under the names of all standard handlers."""
    return dict.fromkeys(HANDLER_NAMES, Simulator(folder, data))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _criteria(step: StepContext) -> str:
    return step.step.installed_criteria or step.update_id.version


def _slot(step: StepContext) -> str:
    return json.dumps([step.update_id.provider, step.update_id.name, step.index])


def _result(entry: Mapping[str, Any], default: ResultCode) -> StepResult:
    code, details = entry.get("resultCode"), entry.get("resultDetails")
    return StepResult(
        result_code=code if isinstance(code, int) else default,
        extended_result_codes=extended_result_codes(entry) or (0,),
        details=details if isinstance(details, str) else None,
    )
