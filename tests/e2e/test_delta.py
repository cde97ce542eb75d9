"""A delta from the service to a device: made, signed, fetched, applied, by the shipped agent."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from local.fleet.device import SimulatedDevice
from local.fleet.new_device import ROOT, add_device
from shared.contract.encoding import unb64
from tests.builders.cli import done, odu
from tests.command_line import run
from tests.packages import MANUFACTURER, make_package, sha256, unique
from tests.processes import ROOT as REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.packages import Package
    from tests.product import Product

SCRIPT = b"""#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --action) action=$2 ;; --work-folder) folder=$2 ;; --result-file) result=$2 ;;
    --installed-criteria) criteria=$2 ;;
  esac
  shift
done
case "$action" in
  is-installed) code=901; [ "$(cat "$ODU_ROOT/criteria")" = "$criteria" ] && code=900 ;;
  download) code=500 ;;
  install) code=600; cp "$folder/rootfs.img" "$ODU_ROOT/rootfs.img" ;;
  apply) code=700; echo "$criteria" > "$ODU_ROOT/criteria" ;;
  *) code=800 ;;
esac
echo "{\\"resultCode\\": $code, \\"extendedResultCode\\": 0}" > "$result"
"""
OLD = random.Random(1).randbytes(300_000)
NEW = OLD[:200_000] + b"a change" + OLD[200_000:]


def _package(model: str, version: str, image: bytes) -> Package:
    files = {"install.sh": SCRIPT, "rootfs.img": image}
    package = make_package(model, version=version, files=files)
    step = package.document["instructions"]["steps"][0]
    step["handlerProperties"]["apiVersion"] = "1.1"
    return package


@asynccontextmanager
async def _device(product: Product, name: str, model: str, folder: Path) -> AsyncIterator[Path]:
    """A device with the shipped agent in a process of its own; its file system."""
    device = SimulatedDevice(device_id=name, manufacturer=MANUFACTURER, model=model, group=name)
    config = await asyncio.to_thread(add_device, product.stack, device, folder, with_root=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "odu_agent", "--config", str(config)),
        env={"PYTHONPATH": str(REPOSITORY / "agent"), "PATH": os.environ["PATH"]},
    )
    try:
        await product.seen(name, 1)
        yield folder / ROOT
    finally:
        process.terminate()
        await process.wait()


async def _codes(product: Product, device: str) -> Any:
    return (await product.agent_of(device))["lastInstallResult"]["extendedResultCodes"]


@pytest.mark.timeout(900)
async def test_device_makes_the_new_version_from_the_old_one(
    product: Product, tmp_path: Path
) -> None:
    model, other = unique("model"), unique("other")
    old, new = _package(model, "1.0", OLD), _package(model, "1.1", NEW)
    await product.publish(old)
    await product.publish(new)
    full = f"{product.stack.instance}/{unb64(sha256(NEW)).hex()}"

    async with _device(product, model, model, tmp_path / "device") as root:
        await product.rest.deploy(model, old.update_id, "d1")
        await product.until_counts(model, "d1", succeeded=1)

        name = f"contoso/{model}"
        ended = await done(product, "update", "delta", name, "--from", "1.0", "--to", "1.1")
        # the device can only have it from the delta
        await product.storage.delete_blob("content", full)
        await product.rest.deploy(model, new.update_id, "d2")
        await product.until_counts(model, "d2", succeeded=1)

        assert (root / "rootfs.img").read_bytes() == NEW
        assert (await _codes(product, model)).startswith("00000000,A00")

    await product.storage.put_blob("content", full, NEW)
    async with _device(product, other, model, tmp_path / "other") as root:
        await product.rest.deploy(other, new.update_id, "d3")
        await product.until_counts(other, "d3", succeeded=1)

        assert (root / "rootfs.img").read_bytes() == NEW
        assert (await _codes(product, other)).startswith("00000000,90800008,")

    _, image = ended["deltas"]
    assert image["deltaSizeInBytes"] < 1000 < image["sizeInBytes"] == len(NEW)
    again = await odu(product, "update", "delta", name, "--from", "1.0", "--to", "1.1")
    assert again.code != 0
    assert "has this delta already" in again.stderr
    log = await done(product, "audit", "list", "--action", "make_delta")
    assert any(new.path in entry["target"] for entry in log)


@pytest.mark.timeout(900)
async def test_import_brings_a_delta_of_its_own(product: Product, tmp_path: Path) -> None:
    """Made by the publisher with `zstd`, listed by `odu manifest init --delta`."""
    model = unique("model")
    old = _package(model, "1.0", OLD)
    await product.publish(old)
    (tmp_path / "1.0").mkdir()
    (tmp_path / "1.0" / "rootfs.img").write_bytes(OLD)
    (tmp_path / "rootfs.img").write_bytes(NEW)
    (tmp_path / "install.sh").write_bytes(SCRIPT)
    zstd = await asyncio.create_subprocess_exec(
        *("zstd", "-q", "-19", "--long=27", "--patch-from=1.0/rootfs.img"),
        *("rootfs.img", "-o", "rootfs.delta"),
        cwd=tmp_path,
    )
    assert await zstd.wait() == 0
    delta = f"rootfs.img={tmp_path}/1.0/rootfs.img,{tmp_path}/rootfs.delta"
    written = await asyncio.to_thread(
        run,
        *("manifest", "init", "--json", f"{tmp_path}/install.sh", f"{tmp_path}/rootfs.img"),
        *("--provider", "contoso", "--name", model, "--version", "1.1", "--delta", delta),
        *("--compat", f"manufacturer={MANUFACTURER},model={model}"),
        *("--property", "apiVersion=1.1", "--property", f"installedCriteria={unique('new')}"),
    )
    assert written.code == 0, written.stderr
    await done(product, "update", "import", written.document["path"], "--watch")

    async with _device(product, model, model, tmp_path / "device") as root:
        await product.rest.deploy(model, old.update_id, "d1")
        await product.until_counts(model, "d1", succeeded=1)
        full = f"{product.stack.instance}/{unb64(sha256(NEW)).hex()}"
        await product.storage.delete_blob("content", full)
        new = {"provider": "contoso", "name": model, "version": "1.1"}
        await product.rest.deploy(model, new, "d2")
        await product.until_counts(model, "d2", succeeded=1)

        assert (root / "rootfs.img").read_bytes() == NEW
