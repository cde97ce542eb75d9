"""The files of agent/edge, read by who will read them, and the commands of docs/edge.md."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from odu_agent.apt.manifest import parse_apt_manifest
from odu_agent.config import load_config
from odu_agent.contract.encoding import b64url

from tests.processes import ROOT
from tests.unit.agent.fixtures import root_keys

EDGE = ROOT / "agent" / "edge"


def _deployment() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EDGE / "deployment.json").read_text())
    assert set(document["modulesContent"]) == {"$edgeAgent", "$edgeHub"}
    found: dict[str, Any] = document["modulesContent"]["$edgeAgent"]["properties.desired"]
    return found


def test_edge_runtime_is_updated_by_a_manifest_that_is_valid(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "edge.md").read_text().partition("## Tutorial")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    lines = block.replace("\\\n", " ").splitlines()
    commands = [words for words in map(shlex.split, lines) if words[:2] == ["odu", "manifest"]]
    assert [words[2] for words in commands] == ["init", "validate"]

    shutil.copy(EDGE / "edge-runtime.json", tmp_path)
    for words in commands:
        subprocess.run(
            [sys.executable, "-P", "-m", "odu_cli", *words[1:]],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}", "PATH": ""},
            check=True,
            capture_output=True,
        )

    (written,) = tmp_path.glob("*.importmanifest.json")
    step = json.loads(written.read_text())["instructions"]["steps"][0]
    assert step["handlerProperties"] == {"installedCriteria": "1.5.21"}
    packages = parse_apt_manifest((EDGE / "edge-runtime.json").read_bytes()).packages
    assert [package.name for package in packages] == ["aziot-identity-service", "aziot-edge"]


def test_agent_takes_its_identity_from_the_identity_service(tmp_path: Path) -> None:
    settings = json.loads((EDGE / "du-config.json").read_text())
    settings["rootKeysFile"] = "root-keys.json"
    keys = {kid: {"n": b64url(key.n), "e": key.e} for kid, key in root_keys().items()}
    (tmp_path / "root-keys.json").write_text(json.dumps(keys))
    (tmp_path / "du-config.json").write_text(json.dumps(settings))

    config = load_config(tmp_path / "du-config.json")

    assert (config.connection_type, config.connection_string) == ("AIS", "")


def test_user_of_the_container_is_the_principal_of_the_identity_service() -> None:
    (principal,) = tomllib.loads((EDGE / "odu-agent.toml").read_text())["principal"]
    created = re.search(r"--uid (\d+)", (EDGE / "Containerfile").read_text())
    options = json.loads(_deployment()["modules"]["odu-agent"]["settings"]["createOptions"])

    assert created is not None
    assert principal["idtype"] == ["module"]
    assert str(principal["uid"]) == options["User"] == created.group(1)


@pytest.mark.parametrize("part", ["systemModules", "modules"])
def test_deployment_has_what_edge_agent_asks_of_every_module(part: str) -> None:
    for name, module in _deployment()[part].items():
        assert module["type"] == "docker"
        assert re.fullmatch(r"[a-z0-9./-]+:[0-9.]+", module["settings"]["image"]), name
        json.loads(module["settings"].get("createOptions", "{}"))
        if name != "edgeAgent":
            assert (module["status"], module["restartPolicy"]) == ("running", "always")


def test_container_has_no_more_than_it_needs() -> None:
    options = json.loads(_deployment()["modules"]["odu-agent"]["settings"]["createOptions"])
    host = options["HostConfig"]

    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert "Privileged" not in host
    assert "/var/run/docker.sock" not in json.dumps(options)
