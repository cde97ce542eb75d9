"""The hooks of a deployment, run with an `az` that notes what it is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.infra.bicep.deployment import hook_parameters
from tests.infra.files import INFRA

_AZ = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path

folder = Path(os.environ["NOTES"])
arguments = sys.argv[1:]
if arguments[:3] == ["keyvault", "secret", "show"]:
    sys.exit(0 if (folder / "secret").exists() else 3)
if "--file" in arguments:
    text = Path(arguments[arguments.index("--file") + 1]).read_text()
    (folder / "secret").write_text(text)
(folder / "call").write_text(json.dumps(arguments))
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    tool = tmp_path / "bin" / "az"
    tool.parent.mkdir()
    tool.write_text(_AZ)
    tool.chmod(0o755)
    return tmp_path


def _run(hook: str, notes: Path, **environment: str) -> None:
    path = f"{notes / 'bin'}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", INFRA / "hooks" / hook],
        env={"PATH": path, "NOTES": str(notes), "TMPDIR": str(notes), **environment},
        check=True,
    )


def test_secret_hook_makes_a_sealing_key_when_there_is_none(notes: Path) -> None:
    _run("secret.sh", notes, KEY_VAULT_NAME="kv-test")

    assert Fernet((notes / "secret").read_text())
    arguments = json.loads((notes / "call").read_text())
    assert arguments[arguments.index("--vault-name") + 1] == "kv-test"
    assert arguments[arguments.index("--name") + 1] == "source-url-key"
    assert not Path(arguments[arguments.index("--file") + 1]).exists()


def test_secret_hook_leaves_the_key_alone_when_there_is_one(notes: Path) -> None:
    (notes / "secret").write_text("kept")

    _run("secret.sh", notes, KEY_VAULT_NAME="kv-test")

    assert (notes / "secret").read_text() == "kept"


def test_events_hook_hands_over_the_outputs_of_the_first_stage(notes: Path) -> None:
    outputs = {name: f"value of {name}" for name in hook_parameters().values()}

    _run("events.sh", notes, AZURE_RESOURCE_GROUP="rg-test", **outputs)

    arguments = json.loads((notes / "call").read_text())
    template = Path(arguments[arguments.index("--template-file") + 1])
    assert template.resolve() == INFRA / "modules" / "events.bicep"
    assert arguments[arguments.index("--resource-group") + 1] == "rg-test"
    assert arguments[arguments.index("--parameters") + 1 :] == [
        f"{parameter}={outputs[name]}" for parameter, name in hook_parameters().items()
    ]
