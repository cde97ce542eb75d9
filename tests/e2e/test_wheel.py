"""The command line as its users get it: the wheel alone in an empty environment, and a stack."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from odu_cli.exit_codes import ExitCode
from tests.packages import make_package, unique
from tests.pythons import find_python

if TYPE_CHECKING:
    from tests.product import Product

REPOSITORY = Path(__file__).parents[2]
VERSIONS = {version: find_python(version) for version in ("3.11", "3.12", "3.13", "3.14")}
PRESENT = {version: python for version, python in VERSIONS.items() if python}
CHOSEN = sorted({min(PRESENT), f"3.{sys.version_info.minor}"})
"""The oldest that is on this machine, and the one of the tests."""

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in an environment of its own, and an empty folder to run it in."""

    programs: Path
    folder: Path

    async def __call__(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run `odu` with nothing of this checkout in reach; what it prints to stdout."""
        process = await asyncio.create_subprocess_exec(
            self.programs / "odu",
            *arguments,
            cwd=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stdout, stderr = await process.communicate()
        assert process.returncode == code, (arguments, stdout, stderr)
        return stdout.decode()

    async def document(self, *arguments: str) -> Any:
        return json.loads(await self(*arguments, "--json"))


def run(*argv: str | Path, cwd: Path) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        folder,
        cwd=REPOSITORY / "cli",
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=CHOSEN)
def odu(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Installed:
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    python = PRESENT[request.param]
    if python == sys.executable:
        venv.create(folder / "venv", with_pip=True)
    else:
        run(python, "-m", "venv", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    run(programs / "pip", "install", "--disable-pip-version-check", wheel, cwd=folder)
    (folder / "empty").mkdir()
    return Installed(programs, folder / "empty")


def test_wheel_holds_the_rules_it_needs_under_its_own_name(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        sources = [archive.read(name).decode() for name in names if name.endswith(".py")]

    assert {name.split("/")[0].split("-")[0] for name in names} == {"odu_cli"}
    assert "odu_cli/_shared/domain/updates/import_manifest.py" in names
    assert not [name for name in names if "/adapters/" in name or "/services/" in name]
    imports = [
        line.split()[1]
        for text in sources
        for line in text.splitlines()
        if " import " in line and line.split()[0] == "from"
    ]
    assert not [name for name in imports if name.split(".")[0] in ("shared", "local", "functions")]


async def test_installed_command_line_drives_a_stack(odu: Installed, product: Product) -> None:
    package = make_package(unique("model"), files={"install.sh": b"#!/bin/sh\n"})
    identity = package.update_id
    (odu.folder / "install.sh").write_bytes(b"#!/bin/sh\n")
    state = ("--state", product.stack.state)
    made = await odu.document(
        *("manifest", "init", "install.sh", "--provider", identity["provider"]),
        *("--name", identity["name"], "--version", identity["version"]),
        *("--compat", f"manufacturer=contoso,model={unique('model')}"),
        *("--property", "installedCriteria=1.0", "--force"),
    )

    imported = await odu.document("update", "import", made["path"], "--watch", *state)
    listed = await odu.document("update", "list", *state)
    keys = await odu.document("keys", "show", *state)
    poison = await odu.document("poison", "list", "--queue", "import", *state)
    await odu("update", "delete", "/".join(identity.values()), "--yes", *state)
    await odu("group", "show", "nowhere", *state, code=ExitCode.NOT_FOUND)

    assert imported["status"] == "Succeeded"
    assert identity in [update["updateId"] for update in listed]
    assert "signs" in keys["signingKeys"].values()
    assert poison == []


async def test_installed_command_line_checks_manifests_with_the_rules_of_the_service(
    odu: Installed,
) -> None:
    package = make_package("toaster")
    package.document["files"][0]["sizeInBytes"] = 0
    path = odu.folder / "bad.importmanifest.json"
    path.write_bytes(package.manifest)

    ended = json.loads(
        await odu("manifest", "validate", path.name, "--json", code=ExitCode.INVALID)
    )

    assert "/files/0/sizeInBytes" in [item["target"] for item in ended["violations"]]


async def test_shell_completion_knows_nouns_verbs_and_options(odu: Installed) -> None:
    async def completed(line: str) -> set[str]:
        words = line.split(" ")
        answer = await odu(
            _ODU_COMPLETE="complete_bash",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        )
        return set(answer.split())

    script = await odu("--show-completion", "bash")

    assert "_ODU_COMPLETE=complete_bash" in script
    assert await completed("odu up") == {"update"}
    assert {"list", "import", "recall"} <= await completed("odu update ")
    assert await completed("odu deployment create --rollb") == {"--rollback-to"}


async def test_installed_command_line_says_how_to_name_a_service(odu: Installed) -> None:
    process = await asyncio.create_subprocess_exec(
        odu.programs / "odu", "group", "list", cwd=odu.folder, stderr=subprocess.PIPE
    )
    _, stderr = await process.communicate()

    assert process.returncode == ExitCode.UNREACHABLE
    assert b"--endpoint URL --instance ID" in stderr
