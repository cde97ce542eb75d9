"""A06: a signing key is stolen. Operators revoke it; devices refuse what it signed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from azure.storage.blob import BlobClient

from local.rest import Rest
from local.stack.running import Stack, start
from odu_cli.main import main as odu
from odu_cli.rest import path
from shared.adapters.table import unpack
from shared.contract.codes import Erc
from shared.domain.updates.keyring import KEYRING, Keyring, SignatureRecord
from shared.domain.updates.update import Update
from tests.builders.forged_commands import refusal
from tests.packages import Package, make_package, unique
from tests.product import Product
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.sources import Sources


@pytest.fixture(scope="module")
def key_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: a revocation is for all devices of a stack."""
    with start(tmp_path_factory.mktemp("key-stack")) as running:
        yield running


@pytest.fixture
async def keyed(key_stack: Stack, sources: Sources, tmp_path: Path) -> AsyncIterator[Product]:
    async with Rest(key_stack) as rest:
        yield Product(key_stack, rest, sources, tmp_path)


async def odu_keys(product: Product, *arguments: str) -> None:
    """Run `./odu keys` on the stack."""
    code = await asyncio.to_thread(odu, ["keys", *arguments, "--state", product.stack.state])
    assert code == 0


def keyring_of(stack: Stack) -> Keyring:
    connection = stack.storage_connection_string
    with BlobClient.from_connection_string(connection, "manifests", KEYRING) as blob:
        return msgspec.json.decode(blob.download_blob().readall(), type=Keyring)


async def record_of(product: Product, package: Package) -> SignatureRecord:
    rows = [unpack(row, Update) for row in await product.storage.rows("Updates")]
    (update,) = [row for row in rows if row.update_id.to_wire() == package.update_id]
    assert update.signature_record is not None
    return update.signature_record


async def signed_by(product: Product, package: Package, edition: int) -> None:
    async def look() -> None:
        assert (await record_of(product, package)).edition == edition

    await eventually(look)


async def written_down(product: Product, edition: int) -> None:
    """Wait until the audit log says who has brought an edition of the keyring."""

    async def look() -> None:
        query = path("audit", filter="action eq 'change_keyring'")
        found = (await product.rest.get(query))["value"]
        assert edition in [entry["after"]["edition"] for entry in found]
        assert all(entry["actor"]["name"] for entry in found)

    await eventually(look)


async def ask_a_slow_device(product: Product, group: str, package: Package) -> dict[str, Any]:
    """Deploy to a device that is busy for long; what its twin asks for then."""
    await product.seen(group, 1)
    identity = await product.rest.deploy(group, package.update_id)
    await product.until_counts(group, identity, in_progress=1)
    model = package.document["compatibility"][0]["model"]

    async def look() -> None:
        assert (await product.agent_of(f"{model}-0"))["state"] == 6

    await eventually(look)
    return {**await product.service_of(f"{model}-0"), "deployment": identity}


async def test_a06_rotation_reaches_new_and_running_deployments(keyed: Product) -> None:
    group, model = unique("group"), unique("model")
    package, other = make_package(model), make_package(model, version="2.0")
    await keyed.publish(package)
    before = keyring_of(keyed.stack)
    async with keyed.fleet(group, model, 1, delaySeconds={"install": 600}) as fleet:
        asked = await ask_a_slow_device(keyed, group, package)

        await odu_keys(keyed, "rotate")

        await signed_by(keyed, package, before.edition + 1)
        await written_down(keyed, before.edition + 1)

        async def handed_out() -> dict[str, Any]:
            service = await keyed.service_of(f"{model}-0")
            assert service["updateManifestSignature"] != asked["updateManifestSignature"]
            return service

        service = await eventually(handed_out)
        assert service["workflow"]["id"] == asked["workflow"]["id"]
        assert (await keyed.agent_of(f"{model}-0"))["state"] == 6
        fleet.simulate(f"{model}-0", {})
        await keyed.publish(other)
        assert (await record_of(keyed, other)).edition == before.edition + 1
        identity = await keyed.rest.deploy(group, other.update_id)
        await keyed.until_counts(group, identity, succeeded=1)


async def test_a06_revoked_key_is_refused_and_the_new_signature_accepted(
    keyed: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    groups, models = [unique("group"), unique("group")], [unique("model"), unique("model")]
    packages = [make_package(model) for model in models]
    await keyed.publish(packages[0])
    await keyed.publish(packages[1])
    before = keyring_of(keyed.stack)
    async with (
        keyed.fleet(groups[0], models[0]),
        keyed.fleet(groups[1], models[1], 1, delaySeconds={"install": 600}) as slow,
    ):
        await keyed.seen(groups[0], 1)
        identity = await keyed.rest.deploy(groups[0], packages[0].update_id)
        await keyed.until_counts(groups[0], identity, succeeded=1)
        done = await keyed.service_of(f"{models[0]}-0")
        asked = await ask_a_slow_device(keyed, groups[1], packages[1])
        slow.simulate(f"{models[1]}-0", {})

        await odu_keys(keyed, "revoke")

        await keyed.until_counts(groups[1], asked["deployment"], succeeded=1)
        service = await keyed.service_of(f"{models[1]}-0")
        edition = before.edition + 1
        assert service["workflow"]["id"] == f"{asked['workflow']['id']}.{edition}"
        assert service["updateManifestSignature"] != asked["updateManifestSignature"]
        assert await keyed.service_of(f"{models[0]}-0") == done
        stolen = {name: asked[name] for name in service if name != "workflow"}
        refused = await refusal(keyed, f"{models[1]}-0", stolen)
        assert refused == f"{Erc.SIGNING_KEY_DISABLED:08X}"

    record = await record_of(keyed, packages[1])
    assert (record.edition, record.root_key_version) == (edition, before.root_key_version + 1)
    assert record.asked_by.startswith(f"keyring {edition} by ")
    capsys.readouterr()
    await odu_keys(keyed, "show", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["signingKeys"][before.kid] == "revoked"
    assert shown["rootKeyPackageVersion"] == before.root_key_version + 1


async def test_a06_older_root_key_package_is_refused_when_it_is_replayed(
    keyed: Product, sources: Sources
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    old = keyring_of(keyed.stack)
    await keyed.publish(package)
    await odu_keys(keyed, "revoke")
    await signed_by(keyed, package, old.edition + 1)
    async with keyed.fleet(group, model):
        await keyed.seen(group, 1)
        identity = await keyed.rest.deploy(group, package.update_id)
        await keyed.until_counts(group, identity, succeeded=1)
        service = await keyed.service_of(f"{model}-0")
        replayed = sources.put(old.root_key_package.encode(), "rootkeys.json")

        refused = await refusal(keyed, f"{model}-0", {**service, "rootKeyPackageUrl": replayed})

    assert refused == f"{Erc.PACKAGE_ROLLED_BACK:08X}"
