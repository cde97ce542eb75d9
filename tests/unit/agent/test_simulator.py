from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.manifest import ManifestStep, ManifestUpdateId
from odu_agent.handlers import LocalFile, StepContext, StepResult
from odu_agent.handlers.simulator import DATA_FILE, Simulator


class _Fetches:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def _step(folder: Path, criteria: str = "c", version: str = "1.0", **changes: Any) -> StepContext:
    members: dict[str, Any] = {
        "update_id": ManifestUpdateId("p", "n", version),
        "index": 0,
        "step": ManifestStep("h", ("f",), {"installedCriteria": criteria} if criteria else {}),
        "files": (LocalFile("f", "a.bin", folder / "f"), LocalFile("g", "b.bin", folder / "g")),
        "work_folder": folder,
        "cancelled": threading.Event(),
        "fetch_files": _Fetches(),
    }
    return StepContext(**{**members, **changes})


def test_simulator_succeeds_in_everything_when_unconfigured(tmp_path: Path) -> None:
    simulator, step = Simulator(tmp_path), _step(tmp_path)

    actions = ["is_installed", "download", "backup", "install", "apply", "is_installed", "restore"]
    codes = [getattr(simulator, action)(step).result_code for action in actions]

    assert codes == [901, 500, 1000, 600, 700, 900, 1100]
    assert simulator.cancel(step) == StepResult(800)
    assert isinstance(step.fetch_files, _Fetches)
    assert step.fetch_files.count == 1


@pytest.mark.parametrize("criteria", ["", "c"])
def test_simulator_holds_one_version_of_a_thing_over_restarts(
    tmp_path: Path, criteria: str
) -> None:
    one = _step(tmp_path, criteria and "c1", "1.0")
    two = _step(tmp_path, criteria and "c2", "2.0")
    Simulator(tmp_path).apply(one)
    Simulator(tmp_path).apply(two)

    assert Simulator(tmp_path).is_installed(two).result_code == 900
    assert Simulator(tmp_path).is_installed(one).result_code == 901


def test_simulator_says_what_its_data_say(tmp_path: Path) -> None:
    data = {
        "download": {"b.bin": {"resultCode": 0, "extendedResultCode": 7, "resultDetails": "no"}},
        "install": {"resultCode": 603},
        "isInstalled": {"c": {"resultCode": 900}, "*": {"resultCode": 901}},
    }
    simulator, step = Simulator(tmp_path, data), _step(tmp_path)

    assert simulator.download(step) == StepResult(0, (7,), "no")
    assert isinstance(step.fetch_files, _Fetches)
    assert step.fetch_files.count == 0
    assert simulator.install(step).result_code == 603
    assert simulator.is_installed(step).result_code == 900
    assert simulator.is_installed(_step(tmp_path, "other")).result_code == 901


def test_simulator_reads_its_data_file_on_each_call(tmp_path: Path) -> None:
    simulator, step = Simulator(tmp_path), _step(tmp_path)
    (tmp_path / DATA_FILE).write_text(json.dumps({"apply": {"resultCode": 0}}))
    assert simulator.apply(step).result_code == 0
    assert simulator.is_installed(step).result_code == 901

    (tmp_path / DATA_FILE).write_text("damaged")

    assert simulator.apply(step).result_code == 700


@pytest.mark.parametrize(
    "data",
    [
        {"delaySeconds": {"download": 60, "install": 60, "apply": 60}},
        {
            "download": {"*": {"delaySeconds": 60}},
            "install": {"delaySeconds": 60},
            "apply": {"delaySeconds": 60},
        },
    ],
)
def test_simulator_stops_waiting_when_cancelled(tmp_path: Path, data: dict[str, Any]) -> None:
    step = _step(tmp_path)
    step.cancelled.set()
    simulator = Simulator(tmp_path, data)

    for action in (simulator.download, simulator.install, simulator.apply):
        assert action(step).result_code == -1
    assert simulator.is_installed(step).result_code == 901
