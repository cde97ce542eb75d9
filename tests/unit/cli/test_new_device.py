"""The configuration that `./odu device add` writes, as the agent reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
from odu_agent.config import load_config

from local.fleet.device import SimulatedDevice
from local.fleet.new_device import agent_config, make_root
from local.stack.running import Hub, Stack, import_path
from odu_cli.exit_codes import ExitCode
from odu_cli.keys.roots import Roots
from tests.command_line import run
from tests.unit.cli.conftest import describe_stack

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = SimulatedDevice("toaster-01", "contoso", "toaster", "pilot")


def a_stack(folder: Path) -> Stack:
    describe_stack(folder, "https://localhost:1", str(folder / "ca.pem"))
    (folder / "ca.pem").touch()
    roots = folder / "roots.json"
    roots.write_text(json.dumps(Roots.generate(["R1", "R2"]).built_in()))
    found = msgspec.json.decode((folder / "stack.json").read_bytes(), type=Stack)
    return msgspec.structs.replace(
        found, roots_file=str(roots), hubs={found.instance: Hub("HostName=localhost", 4711)}
    )


def test_configuration_is_one_that_the_agent_takes(tmp_path: Path) -> None:
    stack = a_stack(tmp_path)
    path = tmp_path / "du-config.json"
    document = agent_config(stack, DEVICE, "a2V5", with_root=True, is_simulated=False)
    path.write_text(json.dumps(document))

    config = load_config(path)

    assert config.connection_string == "HostName=localhost;DeviceId=toaster-01;SharedAccessKey=a2V5"
    assert config.device_properties == {"manufacturer": "contoso", "model": "toaster"}
    assert config.proxy == ("127.0.0.1", 4711)
    assert set(config.root_keys) == {"R1", "R2"}
    assert config.simulator is None
    for folder in (config.root, config.data_folder, config.hooks_folder, config.installer_folder):
        assert folder is not None
        assert folder.parent == tmp_path


def test_without_a_root_the_device_is_this_machine_unless_it_is_simulated(tmp_path: Path) -> None:
    stack = a_stack(tmp_path)
    path = tmp_path / "du-config.json"
    for is_simulated in (False, True):
        document = agent_config(stack, DEVICE, "a2V5", with_root=False, is_simulated=is_simulated)
        path.write_text(json.dumps(document))

        config = load_config(path)

        assert str(config.root) == "/"
        assert (config.simulator is not None) is is_simulated


def test_root_is_made_once_and_stays(tmp_path: Path) -> None:
    make_root(tmp_path / "root")
    status = tmp_path / "root/var/lib/dpkg/status"
    status.write_text("Package: toaster\n")
    make_root(tmp_path / "root")

    assert status.read_text() == "Package: toaster\n"


def test_device_add_is_in_the_help_of_a_checkout_and_says_when_no_stack_is_up(
    tmp_path: Path,
) -> None:
    def odu(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "local.cli", *arguments],
            cwd=tmp_path,
            env=import_path(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert " add " in odu("device", "--help").stdout
    refused = odu("device", "add", "toaster-01", "--group", "pilot")
    assert refused.returncode == 10
    assert "no stack is up in .odu" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_device_is_added_to_the_stack_and_instance_that_are_named(tmp_path: Path) -> None:
    from local.cli import additions

    assert additions  # adds the command
    absent = tmp_path / "absent"
    nowhere = run("device", "add", "toaster-01", "--group", "pilot", "--state", str(absent))
    assert nowhere.code == ExitCode.UNREACHABLE
    assert str(absent) in "".join(nowhere.stderr.split("\n"))

    describe_stack(tmp_path, "https://localhost:1", str(tmp_path / "ca.pem"))
    options = ("--group", "pilot", "--state", str(tmp_path), "--instance", "second")
    foreign = run("device", "add", "toaster-01", *options)

    assert foreign.code == ExitCode.USAGE
    assert "no instance 'second'" in " ".join(foreign.stderr.split())
