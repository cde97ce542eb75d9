"""The package starts by itself, with the platform's worker library, from an empty directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from local.tools.package.build import build
from tests.infra.bicep.deployment import bicep_site
from tests.infra.profiles import PROFILES, given_to_bicep

REPOSITORY = Path(__file__).parents[3]
_ADDRESS = re.compile(r"^/[\w.]+/\S+$")
_RESOURCE = re.compile(r"/Microsoft\.[\w./-]+")
_LOAD = """
import asyncio, json, sys
from operator import attrgetter
from pathlib import Path
sys.path[:0] = [str(Path.cwd())]
sys.path.append(sys.argv[1])
from local.cloud.functions_host.worker import Worker

async def load():
    worker = Worker()
    functions = await worker.load(Path.cwd())
    worker.stop()
    import shared
    from shared.container import container
    made = [name for name in sys.argv[2].split(",") if attrgetter(name)(container()) is not None]
    names = sorted(function.name for function in functions)
    print(json.dumps([shared.__file__, names, made]))

asyncio.run(load())
"""


_PARTS = ",".join(
    (
        *(f"ports.{name}" for name in ("blobs", "queues", "updates", "fleet", "hub", "tokens")),
        *("ports.signer", "ports.sealer", "devices.relay", "imports.operations"),
        *("deployments.reconcile", "maintenance.sweep"),
    )
)
"""What is made of the settings: every adapter, and services over them."""


@pytest.mark.parametrize("profile", PROFILES)
def test_package_starts_in_an_empty_directory_with_the_settings_of_the_template(
    tmp_path: Path, profile: str
) -> None:
    package = build(REPOSITORY, tmp_path / "app.zip")
    folder = tmp_path / "app"
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)

    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOAD, str(REPOSITORY), _PARTS],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **_settings(profile)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    place, names, made = json.loads(done.stdout.splitlines()[-1])
    assert Path(place).is_relative_to(folder)
    assert {"rest", "relay_twin_changes", "scan_quarantined", "sweep"} <= set(names)
    assert made == _PARTS.split(",")


def _settings(profile: str) -> dict[str, str]:
    """What the platform gives the app: addresses where the template names resources, and the secret
    that it reads from the vault.
    """
    given = {
        name: _RESOURCE.sub("resource.invalid", _ADDRESS.sub("https://resource.invalid/", value))
        for name, value in bicep_site(given_to_bicep(profile, is_full=True)).settings.items()
    }
    assert given["SOURCE_URL_KEY"].startswith("@Microsoft.KeyVault(")
    return given | {"SOURCE_URL_KEY": Fernet.generate_key().decode()}
