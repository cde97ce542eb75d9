"""The web console in a browser: first paint, first live figure, bytes; on the first visit, when the
browser has no file of it, and on the next one (`warm`).

The ceiling is a bare page of one script and one REST read, in the same browser, served in the same
way by a host like the stack's own. Needs Chromium and what `./odu test` installs for the console.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.device_rows import DeviceRows
from bench.harness import Options, Result, compared
from bench.second_host import host_command, second_host
from local.console.build import Console
from local.stack.errors import StackError
from local.stack.running import REPOSITORY, Stack, start
from shared.adapters.storage import StorageAccounts
from shared.settings import Connection

_BARE = Path(__file__).with_name("bare_console")
_CONSOLE = REPOSITORY / "console"
_PLAYWRIGHT = _CONSOLE / "node_modules" / "@playwright" / "test" / "cli.js"
_DEVICES = 1000
_ROUNDS, _QUICK_ROUNDS = 15, 5
_MEASURES = {"paint": "first paint", "figure": "first live figure"}
_VISITS = {"cold": "", "warm": ", warm"}
_KIB = 1024


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds."""
    if not Console().is_current() or not _PLAYWRIGHT.exists():
        raise StackError("the console or its test tools are not there: ./odu test makes them")
    options.say("starting the stack")
    with start() as stack, tempfile.TemporaryDirectory(prefix="odu-bare-") as folder:
        await _seed(stack)
        async with _bare_host(stack, Path(folder)) as bare:
            samples = await _in_a_browser(stack, bare, Path(folder), options)
    return [_result(samples, visit, measure) for visit in _VISITS for measure in _MEASURES]


async def _seed(stack: Stack) -> None:
    connection = Connection(connection_string=stack.storage_connection_string)
    accounts = StorageAccounts(connection, connection, lambda: None, lambda _: None)
    try:
        names = [f"toaster-{number:05}" for number in range(_DEVICES)]
        await DeviceRows(accounts, stack.instance).write("pilot", names)
    finally:
        await accounts.close()


@asynccontextmanager
async def _bare_host(stack: Stack, folder: Path) -> AsyncIterator[str]:
    """A host of the same app, but with the bare page in the place of the console; its address."""
    app = _overlay(folder / "app")
    command = [
        str(app) if before == "--app" else "bare-console" if before == "--host-id" else word
        for before, word in zip(["", *host_command(stack)], host_command(stack), strict=False)
    ]
    async with second_host(stack, command) as bare:
        yield bare.endpoint


def _overlay(app: Path) -> Path:
    """The app as it is, by links, but for the files of the console."""
    (app / "functions").mkdir(parents=True)
    for name in ("shared", "function_app.py", "host.json"):
        (app / name).symlink_to(REPOSITORY / name)
    for path in (REPOSITORY / "functions").glob("*.py"):
        (app / "functions" / path.name).symlink_to(path)
    shutil.copytree(_BARE, app / "functions" / "console_files")
    return app


async def _in_a_browser(
    stack: Stack, bare: str, folder: Path, options: Options
) -> Mapping[str, Sequence[Any]]:
    figures = folder / "figures.json"
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    options.say(f"visiting both pages, {rounds} rounds")
    node = os.environ.get("ODU_NODE") or shutil.which("node") or "node"
    process = await asyncio.create_subprocess_exec(
        *(node, str(_PLAYWRIGHT), "test", "--config", "tests/bench/playwright.config.ts"),
        *("--output", str(folder / "results")),
        cwd=_CONSOLE,
        env={
            **os.environ,
            "ODU_STACK": f"{stack.state}/stack.json",
            "ODU_BARE": bare,
            "ODU_TOKEN": stack.token("Reader"),
            "ODU_ROUNDS": str(rounds),
            "ODU_FIGURES": str(figures),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"the visits failed: {output.decode(errors='replace')[-2000:]}")
    return dict(json.loads(figures.read_text()))


def _result(samples: Mapping[str, Sequence[Any]], visit: str, measure: str) -> Result:
    of = {name: [each[visit][measure] for each in visits] for name, visits in samples.items()}
    sizes = {name: visits[-1][visit]["bytes"] / _KIB for name, visits in samples.items()}
    return compared(
        f"console, {_MEASURES[measure]}{_VISITS[visit]}",
        "ms",
        of["console"],
        of["bare"],
        better="lower",
        notes={f"KiB, {name}": round(size, 1) for name, size in sizes.items()},
    )
