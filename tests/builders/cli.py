"""Builders and looks that tests of cli share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from local.stack.running import import_path
from tests.command_line import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.product import Product


async def start(product: Product, *arguments: str, token: str = "") -> asyncio.subprocess.Process:
    environment = {**import_path(), "ODU_TOKEN": token}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "local.cli",
        *arguments,
        "--state",
        product.stack.state,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def odu(product: Product, *arguments: str, token: str = "") -> Ended:
    process = await start(product, *arguments, token=token)
    stdout, stderr = await process.communicate()
    return Ended(process.returncode or 0, stdout.decode(), stderr.decode())


async def done(product: Product, *arguments: str) -> Any:
    """The document of a command that must succeed."""
    ended = await odu(product, *arguments, "--json")
    assert ended.code == 0, ended
    assert ended.stderr == ""
    return ended.document


def words(update_id: Mapping[str, str]) -> str:
    return "/".join(update_id[part] for part in ("provider", "name", "version"))
