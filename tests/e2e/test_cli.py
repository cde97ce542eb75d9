"""The operator's commands against the running product, as programs of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from local.stack.running import import_path
from odu_cli.exit_codes import ExitCode
from shared.http import models
from tests.builders.cli import done, odu, start, words
from tests.packages import MANUFACTURER, make_package, unique

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages import Package
    from tests.product import Product


def write(folder: Path, package: Package) -> str:
    for name, content in package.files.items():
        (folder / name).write_bytes(content)
    path = folder / "an.importmanifest.json"
    path.write_bytes(package.manifest)
    return str(path)


async def test_update_is_imported_listed_shown_and_deleted(
    product: Product, tmp_path: Path
) -> None:
    package = make_package(unique("model"), files={"a.sh": b"#!/bin/sh\n", "b.bin": os.urandom(9)})
    manifest, name = write(tmp_path, package), words(package.update_id)

    imported = await done(product, "update", "import", manifest, "--watch")
    listed = await done(product, "update", "list")
    shown = await done(product, "update", "show", name)

    assert msgspec.convert(imported, models.Operation).status == "Succeeded"
    updates = msgspec.convert(listed, list[models.Update])
    assert name in [words(msgspec.to_builtins(update.update_id)) for update in updates]
    msgspec.convert(shown, models.Update)
    files = msgspec.convert(shown["files"], list[models.UpdateFile])
    assert {file.file_name: file.size_in_bytes for file in files} == {"a.sh": 10, "b.bin": 9}

    again = await odu(product, "update", "import", manifest, "--watch")
    assert again.code == ExitCode.FAILED
    assert "UpdateAlreadyExists" in again.stderr

    deleted = await done(product, "update", "delete", name, "--yes")
    assert deleted["status"] == "Succeeded"
    gone = await odu(product, "update", "show", name)
    assert gone.code == ExitCode.NOT_FOUND


async def test_update_is_imported_by_drop(product: Product, tmp_path: Path) -> None:
    package = make_package(unique("model"))

    ended = await done(product, "update", "import", write(tmp_path, package), "--drop", "--watch")

    assert ended["status"] == "Succeeded"
    assert (await product.rest.get(package.path))["updateId"] == package.update_id


async def test_update_made_by_manifest_init_reaches_devices(
    product: Product, tmp_path: Path
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    (tmp_path / "install.sh").write_bytes(b"#!/bin/sh\n")
    out = str(tmp_path / "made.importmanifest.json")
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "local.cli", "manifest", "init", tmp_path / "install.sh"),
        *("--provider", "contoso", "--name", name, "--version", "1.0", "-o", out),
        *("--compat", f"manufacturer={MANUFACTURER},model={model}"),
        *("--property", "installedCriteria=1.0"),
        env=import_path(),
        stderr=subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    await done(product, "update", "import", out, "--watch")
    update = f"contoso/{name}/1.0"

    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        where = ("--group", group)
        status = await done(
            product, "deployment", "create", *where, "--update", update, "--id", "d1", "--watch"
        )

        typed = msgspec.convert(status, models.DeploymentStatus)
        assert [one.devices_completed_succeeded_count for one in typed.subgroup_status] == [2]
        devices = await done(product, "device", "list", *where)
        assert {item["installedUpdate"]["updateId"]["name"] for item in devices} == {name}
        states = await done(product, "deployment", "devices", "d1", *where)
        assert [item["deviceState"] for item in states] == ["Succeeded"] * 2
        shown = await done(product, "group", "show", group)
        assert shown["updateCompliance"]["onLatestUpdateDeviceCount"] == 2
        tables = await odu(product, "deployment", "status", "d1", *where)
        assert f"{MANUFACTURER} {model}" in tables.stdout


async def test_deployment_is_cancelled_for_every_class(product: Product, tmp_path: Path) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    slow = {"delaySeconds": {"install": 30.0}}

    async with product.fleet(group, model, 2, **slow):
        await product.seen(group, 2)
        where = ("--group", group)
        created = await done(
            product, "deployment", "create", *where, "-u", words(package.update_id), "--id", "d1"
        )
        assert msgspec.convert(created, models.Deployment).deployment_id == "d1"
        await product.until_counts(group, "d1", in_progress=2)

        cancelled = await done(product, "deployment", "cancel", "d1", *where)
        watched = await odu(product, "deployment", "status", "d1", *where, "--watch", "--json")

        assert [one["isCanceled"] for one in cancelled] == [True]
        assert watched.code == ExitCode.FAILED
        assert "2 cancelled" in watched.stderr
        retried = await odu(product, "deployment", "retry", "d1", *where)
        assert retried.code == ExitCode.CONFLICT


@pytest.mark.parametrize(
    ("role", "lifetime", "code"),
    [("Content Reader", 3600, ExitCode.ROLE), ("Administrator", -300, ExitCode.TOKEN)],
)
async def test_token_that_does_not_do_has_a_code_of_its_own(
    product: Product, role: str, lifetime: int, code: ExitCode
) -> None:
    token = product.stack.token(role, lifetime_seconds=lifetime)

    ended = await odu(product, "group", "list", "--json", token=token)

    assert ended.code == code
    assert ended.document["error"]["message"] in ended.stderr


async def test_watched_import_ends_quietly_when_interrupted(
    product: Product, tmp_path: Path
) -> None:
    package = make_package(unique("model"))
    url = product.sources.put(package.manifest, "m.json")
    [file] = package.files
    held = product.sources.put(package.files[file], file)
    gate = product.sources.hold(held)
    process = await start(
        product, "update", "import", "--url", url, "--file", f"{file}={held}", "--watch"
    )
    await gate.asked.wait()

    process.send_signal(signal.SIGINT)
    stdout, stderr = await process.communicate()

    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == b""
    assert b"Traceback" not in stderr
    gate.opened.set()
