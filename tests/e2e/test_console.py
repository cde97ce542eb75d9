"""The web console in a real browser against the real stack: flows, roles, failures, sizes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.read_store import ReadStore, a_device
from local.console.build import Console
from local.demo.publisher import build
from local.demo.scenario import devices
from local.fleet.fleet import Fleet
from local.rest import Rest
from local.stack.azurite import IN_MEMORY
from local.stack.running import REPOSITORY, Stack, start
from odu_cli.file_server import FileServer
from odu_cli.manifest_builder import UpdatePlan, build_manifest, file_entry
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NODE = os.environ.get("ODU_NODE") or shutil.which("node") or "node"
CONSOLE = REPOSITORY / "console"
DEVICES = 12
LARGE = int(os.environ.get("ODU_CONSOLE_DEVICES", "0"))
"""Devices of the large fleet; none: it is not tried."""
SMALL = 200
_WRITTEN_AT_ONCE = 20_000


@pytest.fixture(scope="module")
def console_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert Console().is_current(), "./odu test builds the console first"
    with start(tmp_path_factory.mktemp("console-stack")) as running:
        yield running


@pytest.fixture(scope="module")
async def fleet_with_updates(console_stack: Stack) -> AsyncIterator[None]:
    """Twelve devices in three groups on 1.0, and 1.1 imported."""
    with tempfile.TemporaryDirectory(prefix="odu-fleet-") as folder:
        async with (
            Rest(console_stack) as rest,
            FileServer() as publisher,
            Fleet(console_stack, devices(DEVICES), Path(folder)),
        ):
            first = build("1.0")
            for package in (first, build("1.1")):
                operation = await rest.import_update([package.offered(publisher)])
                assert (await rest.finished(operation))["status"] == "Succeeded"

            async def are_grouped() -> None:
                groups = (await rest.get("management/groups"))["value"]
                assert sum(each["deviceCount"] for each in groups) == DEVICES

            await eventually(are_grouped, seconds=120)
            for version in ("1.0", "1.1"):
                operation = await rest.import_update([_recipes(publisher, version)])
                assert (await rest.finished(operation))["status"] == "Succeeded"
            for group in ("pilot", "north", "south"):
                await rest.deploy(group, first.update_id)
            yield


def _recipes(publisher: FileServer, version: str) -> dict[str, Any]:
    """An update that no device of the fleet takes, of a file that is nearly the same each time."""
    content = random.Random(0).randbytes(128 << 10) + version.encode()
    plan = UpdatePlan(
        update_id={"provider": "contoso", "name": "recipes", "version": version},
        compatibility=({"manufacturer": "contoso", "model": "oven"},),
        handler_properties={"scriptFileName": "recipes.db", "installedCriteria": version},
    )
    manifest = json.dumps(build_manifest(plan, [file_entry("recipes.db", content)])).encode()
    return publisher.offer(manifest, {"recipes.db": content}, f"Recipes {version}")


@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("fleet_with_updates")
async def test_console_in_a_browser(console_stack: Stack, tmp_path: Path) -> None:
    await _in_a_browser(console_stack, tmp_path)


@pytest.mark.timeout(1500)
async def test_console_of_an_empty_instance(tmp_path: Path) -> None:
    """Every page without data, and the guide to the first device that is up to date."""
    assert Console().is_current(), "./odu test builds the console first"
    with start(tmp_path / "empty-stack") as running:
        fleet = [sys.executable, "-P", "-m", "local.cli", "fleet", "1", "--group", "pilot"]
        fleet += ["--state", str(running.state)]
        await _in_a_browser(
            running,
            tmp_path,
            "--config",
            "tests/first/playwright.config.ts",
            ODU_FLEET=json.dumps(fleet),
            PYTHONPATH=os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "cli"))),
        )


if LARGE:  # takes long

    @pytest.mark.timeout(7200)
    async def test_console_of_a_large_fleet(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lists, filters, groups and the overview with so many devices, beside a small group."""
        assert Console().is_current(), "./odu test builds the console first"
        monkeypatch.setenv(IN_MEMORY, "1")
        with start(tmp_path / "large-stack") as running:
            async with ReadStore(running) as store:
                for group, count in (("small", SMALL), ("large", LARGE)):
                    for numbers in batched(range(count), _WRITTEN_AT_ONCE, strict=False):
                        await store.write([a_device(f"{group}-{n}", group) for n in numbers])
                    await store.sum_up(group)
            await _in_a_browser(
                running,
                tmp_path,
                "--config",
                "tests/large/playwright.config.ts",
                ODU_CONSOLE_DEVICES=str(LARGE),
                ODU_CONSOLE_SMALL=str(SMALL),
            )


async def _in_a_browser(stack: Stack, results: Path, *arguments: str, **environment: str) -> None:
    """Run specs of `console/tests` against a stack."""
    argv = [NODE, "node_modules/@playwright/test/cli.js", "test", *arguments]
    argv += ["--output", str(results / "results")]
    done = await asyncio.to_thread(
        subprocess.run,
        argv,
        cwd=CONSOLE,
        env={**os.environ, "ODU_STACK": f"{stack.state}/stack.json", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:]
