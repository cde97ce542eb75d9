"""The tutorial of the README, run as it stands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SECONDS = 900


def tutorial() -> str:
    """The commands of the section "First device"."""
    section = (REPOSITORY / "README.md").read_text().partition("## First device")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return str(block)


@pytest.mark.timeout(SECONDS + 120)
def test_tutorial_goes_from_nothing_to_an_installed_package(tmp_path: Path) -> None:
    odu = tmp_path / "odu"
    odu.write_text(f'#!/bin/sh\nexec "{REPOSITORY}/odu" "$@"\n')
    odu.chmod(0o755)
    process = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("ODU_")},
    )
    try:
        output = tmp_path / "agent.out"
        commands = tutorial().replace("agent.log &", f"agent.log > {output} &")
        said, _ = process.communicate(commands, timeout=SECONDS)
    finally:
        subprocess.run([odu, "down"], cwd=tmp_path, check=False, capture_output=True)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the agent

    assert process.returncode == 0, said
    assert "\n1.0\n" in said
    assert (tmp_path / "toaster-01/root/usr/share/toaster/version").read_text() == "1.0\n"
    assert re.search(r"contoso/toaster/1.0 .* Succeeded", said)
    assert (tmp_path / "toaster-01/du-config.json").stat().st_mode & 0o077 == 0
