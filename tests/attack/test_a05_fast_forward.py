"""A05: a version so high that no honest update is ever newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from odu_cli.keys.changes import first, revoked
from odu_cli.keys.roots import Roots
from odu_cli.keys.signing_keys import KeyFolder
from shared.domain.updates.update_id import MAX_VERSION_PART
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from pathlib import Path

    from tests.product import Product


@pytest.mark.parametrize("version", [f"{MAX_VERSION_PART + 1}.0", "9" * 60 + ".0", "1.0e9"])
async def test_a05_version_beyond_the_limit_is_refused(product: Product, version: str) -> None:
    package = make_package(unique("model"), version=version)

    ended = await product.import_items(product.sources.offer(package))

    assert ended["status"] == "Failed"
    assert [one["target"] for one in ended["error"]["details"]] == ["/updateId/version"]


async def test_a05_honest_update_is_the_best_again_once_the_highest_is_deleted(
    product: Product,
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    honest = make_package(model, name=name, version="1.0")
    pushed = make_package(model, name=name, version=f"{MAX_VERSION_PART}.{MAX_VERSION_PART}")

    async def best_is(version: str) -> None:
        class_id = await product.class_of(f"{model}-0")
        known = await product.rest.get(f"management/deviceClasses/{class_id}")
        assert known["bestCompatibleUpdate"]["updateId"]["version"] == version

    await product.publish(honest)
    await product.publish(pushed)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        await product.eventually(lambda: best_is(pushed.update_id["version"]))

        await product.rest.request("DELETE", pushed.path)
        await product.eventually(lambda: best_is("1.0"))

        identity = await product.rest.deploy(group, honest.update_id)
        await product.until_counts(group, identity, succeeded=1)


def test_a05_root_key_package_steps_by_one(tmp_path: Path) -> None:
    roots, store = Roots.generate(["R1", "R2"]), KeyFolder(tmp_path)
    keyring = first(roots, store.create("S1"), "tests")
    versions = [keyring.root_key_version]
    for number in (2, 3):
        keyring = revoked(keyring, roots, keyring.kid, store.create(f"S{number}"), "tests")
        versions.append(keyring.root_key_version)

    assert versions == [1, 2, 3]
