"""`./odu fleet`, as a new user runs it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from local.stack.running import import_path
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from local.stack.running import Stack
    from tests.product import Product


async def fleet(stack: Stack, *options: str) -> asyncio.subprocess.Process:
    argv = [sys.executable, "-m", "local.cli", "fleet", *options, "--state", stack.state]
    return await asyncio.create_subprocess_exec(*argv, env=import_path(), stdout=PIPE, stderr=PIPE)


async def test_fleet_runs_until_ctrl_c_and_goes_on_where_it_was(
    stack: Stack, product: Product
) -> None:
    group, model = unique("group"), unique("model")
    options = ("2", "--group", group, "--model", model)
    package = make_package(model)

    first = await fleet(stack, *options)
    assert first.stdout is not None
    line = (await first.stdout.readline()).decode()
    assert line == f"running {group}-001 to {group}-002\n"
    await product.seen(group, 2)
    await product.publish(package)
    deployment = await product.rest.deploy(group, package.update_id)
    await product.until_counts(group, deployment, succeeded=2)
    first.send_signal(signal.SIGINT)
    _, said = await first.communicate()
    assert first.returncode == 0, said.decode()
    assert said.decode() == "Ctrl-C ends them\n"

    again = await fleet(stack, *options)
    assert again.stdout is not None
    assert (await again.stdout.readline()).decode() == line
    device = await product.rest.get(f"management/devices/{group}-001")
    assert device["installedUpdate"]["updateId"] == package.update_id
    again.send_signal(signal.SIGTERM)
    await again.communicate()
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("0",), "from 1 to 500"),
        (("501",), "from 1 to 500"),
        (("many",), "invalid"),
        (("1", "--instance", "nowhere"), "no instance 'nowhere'"),
    ],
)
async def test_fleet_refuses_what_cannot_be_run(
    stack: Stack, options: tuple[str, ...], reason: str
) -> None:
    process = await fleet(stack, *options)

    printed, said = await process.communicate()

    assert (process.returncode, printed) == (2, b"")
    assert reason in said.decode()
