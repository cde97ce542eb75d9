"""kill -9 of either half at any step: the twin tells the truth, and nothing is installed twice."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.processes import ROOT

SEEDS = os.environ.get("ODU_CRASH_SEEDS", "24")
"""1000 of them take some minutes: `ODU_CRASH_SEEDS=1000`."""


def test_agent_that_is_killed_at_any_step_ends_truthfully() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashes.device", SEEDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SEEDS} of {SEEDS} devices ended truthfully" in done.stdout
