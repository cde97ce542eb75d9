"""Telemetry that is off is not even loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.settings import environment

MOST_MODULES = 40
REPOSITORY = Path(__file__).parents[3]
_LOADED = """
import json, sys
import function_app
from shared.container import container
if len(sys.argv) > 1:
    container().ports.queues, container().ports.telemetry
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded(*given: str, **settings: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOADED, *given],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment(**settings)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("given", [(), ("made",)])
def test_nothing_of_opentelemetry_is_loaded_by_default(given: tuple[str, ...]) -> None:
    assert not {"opentelemetry", "google", "psutil"} & loaded(*given)


def test_nothing_of_opentelemetry_is_loaded_before_the_first_answer_in_azure() -> None:
    connection = "InstrumentationKey=00000000-0000-0000-0000-000000000000"

    found = loaded(
        "made", TELEMETRY="azure-monitor", APPLICATIONINSIGHTS_CONNECTION_STRING=connection
    )

    assert not {"opentelemetry", "google", "psutil"} & found


def test_opentelemetry_is_loaded_when_a_setting_says_so() -> None:
    assert "opentelemetry" in loaded("made", TELEMETRY="console")


def test_cold_start_loads_few_modules_of_ours() -> None:
    program = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        check=True,
    )

    ours = [name for name in json.loads(done.stdout) if name.startswith(("functions", "shared"))]

    assert len(ours) <= MOST_MODULES, ours
