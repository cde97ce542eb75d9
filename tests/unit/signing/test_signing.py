from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odu_cli.keys.roots import write_key
from shared import messages
from shared.adapters.keys import FileSigner
from shared.contract.codes import AgentState, Erc
from shared.contract.twin import result_report, workflow_member
from shared.domain.errors import DependencyFailed
from shared.domain.fleet.counters import deployment_cell
from shared.domain.fleet.device import DeviceState
from shared.domain.updates.keyring import KEYRING, Keyring, SignatureRecord
from shared.domain.updates.update import Update
from shared.services.deployments.device_orders import OwnRequest
from tests.builders.deployments import AT_ONCE, a_request, an_update
from tests.builders.devices import counted, record, recount
from tests.builders.key_world import MANIFEST, KeyWorld
from tests.fakes.updates import MemoryUpdates
from tests.signing import (
    KeySigner,
    a_keyring,
    after_revocation,
    after_rotation,
    private_key,
    verify,
)
from tests.unit.domain.builders import V1, V2, a_change, busy, failed, started, succeeded
from tests.unit.services.world import INSTANCE


async def signed(world: KeyWorld, update: Update) -> Update:
    signature, made = await world.signing.sign(update.manifest, "op")
    return replace(update, signature=signature, signature_record=made)


async def a_key_world(*devices: str) -> KeyWorld:
    """Two updates, devices, and the newer update deployed to them."""
    world = KeyWorld()
    for update_id in (V1, V2):
        await world.updates.add(INSTANCE, await signed(world, an_update(update_id)))
    await world.tell(*(a_change(2, started(), device_id=device) for device in devices))
    await world.drain()
    await world.deploy.create(INSTANCE, a_request())
    await world.drain()
    return world


def refused_key(workflow_id: str) -> dict[str, Any]:
    """The report of a device that refuses the signing key."""
    return result_report(
        AgentState.FAILED,
        0,
        workflow=workflow_member(3, workflow_id, None),
        extended_result_codes=(Erc.SIGNING_KEY_DISABLED,),
    )


async def update_of(world: KeyWorld) -> Update:
    stored = await world.updates.get(INSTANCE, V2)
    assert stored is not None
    return stored.value


async def test_signature_is_recorded_with_its_key_package_and_hash() -> None:
    world = KeyWorld()

    signature, made = await world.signing.sign(MANIFEST, "op-1")

    verify(MANIFEST, signature, a_keyring())
    digest = base64.b64encode(hashlib.sha256(MANIFEST.encode()).digest()).decode()
    assert made == SignatureRecord(
        edition=1,
        kid="SIGN.1",
        key="key-1",
        root_key_version=1,
        manifest_sha256=digest,
        signed_at=made.signed_at,
        asked_by="op-1",
    )


async def test_signing_fails_cleanly_without_a_keyring() -> None:
    world = KeyWorld()
    world.blobs.contents.clear()

    with pytest.raises(DependencyFailed, match="no keyring") as refused:
        await world.signing.sign(MANIFEST, "op")

    assert not refused.value.retryable


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]"])
async def test_signing_fails_cleanly_when_the_keyring_is_damaged(content: bytes) -> None:
    world = KeyWorld()
    world.blobs.put("manifests", KEYRING, content)

    with pytest.raises(DependencyFailed, match="damaged"):
        await world.signing.sign(MANIFEST, "op")


@pytest.mark.parametrize(
    "keyring",
    [
        replace(a_keyring(), key="key-2"),
        replace(a_keyring(), root_key_package=after_revocation(a_keyring()).root_key_package),
        replace(a_keyring(), sjwk="a.b.c"),
        replace(a_keyring(), root_key_package='{"protected":{"version":1}}'),
    ],
    ids=["another key", "revoked key", "no sjwk", "no package"],
)
async def test_nothing_is_signed_that_devices_would_refuse(keyring: Keyring) -> None:
    world = KeyWorld()
    world.use(keyring)

    with pytest.raises(DependencyFailed, match=r"does not fit the keyring|Devices would refuse"):
        await world.signing.sign(MANIFEST, "op")


async def test_renewal_signs_once_for_each_edition() -> None:
    world = await a_key_world("d1")
    world.use(after_rotation(a_keyring()))

    done = [await world.signing.renew(INSTANCE, V2) for _ in range(2)]

    update = await update_of(world)
    assert done == [True, False]
    assert update.signature_record is not None
    assert (update.signature_edition, update.signature_record.kid) == (2, "SIGN.2")
    assert update.signature_record.asked_by == "keyring 2 by operator@desk"
    verify(update.manifest, update.signature, after_rotation(a_keyring()))


async def test_rotation_hands_the_new_signature_to_devices_in_progress_alone() -> None:
    world = await a_key_world("busy", "done")
    workflow = world.service_of("busy")["workflow"]["id"]
    await world.tell(
        a_change(5, busy(workflow), device_id="busy"),
        a_change(5, succeeded(V2, workflow), device_id="done"),
    )
    before = world.service_of("done")

    await world.change(after_rotation(a_keyring()))

    assert world.service_of("done") == before
    service = world.service_of("busy")
    assert service["workflow"]["id"] == workflow
    assert service["updateManifestSignature"] == (await update_of(world)).signature
    verify(service["updateManifest"], service["updateManifestSignature"], world.keyring)


async def test_revocation_asks_unfinished_devices_again_as_a_new_workflow() -> None:
    world = await a_key_world("busy", "done", "failed", "refused")
    workflow = world.service_of("busy")["workflow"]["id"]
    await world.tell(
        a_change(5, busy(workflow), device_id="busy"),
        a_change(5, succeeded(V2, workflow), device_id="done"),
        a_change(5, failed(workflow), device_id="failed"),
        a_change(5, refused_key(workflow), device_id="refused"),
    )

    await world.change(after_revocation(a_keyring()))

    asked = {name: world.service_of(name)["workflow"]["id"] for name in ("busy", "refused")}
    assert asked == {"busy": f"{workflow}.2", "refused": f"{workflow}.2"}
    assert world.service_of("done")["workflow"]["id"] == workflow
    assert world.service_of("failed")["workflow"]["id"] == workflow
    service = world.service_of("busy")
    verify(service["updateManifest"], service["updateManifestSignature"], world.keyring)


async def test_device_is_counted_once_when_it_ends_the_workflow_it_was_asked_again() -> None:
    world = await a_key_world("d1")
    workflow = world.service_of("d1")["workflow"]["id"]
    await world.tell(a_change(5, busy(workflow)))
    await world.change(after_revocation(a_keyring()))

    await world.tell(a_change(9, succeeded(V2, f"{workflow}.2")))
    await world.drain()

    found = await counted(world, "$default")
    assert found == await recount(world)
    (cells,) = found.values()
    assert {name: count for name, count in cells.items() if name.startswith("deployment:")} == {
        deployment_cell(workflow, DeviceState.SUCCEEDED): 1
    }


async def test_change_of_the_key_is_carried_out_once_when_ordered_twice() -> None:
    world = await a_key_world("d1")
    await world.tell(a_change(5, busy(world.service_of("d1")["workflow"]["id"])))
    await world.change(after_revocation(a_keyring()))
    before = world.service_of("d1"), await update_of(world)

    await world.queues.put(messages.Resign())
    await world.drain()

    assert (world.service_of("d1"), await update_of(world)) == before


async def test_deployment_made_after_a_revocation_keeps_its_workflow_when_the_key_rotates() -> None:
    world = await a_key_world("d1")
    revoked = after_revocation(a_keyring())
    await world.change(revoked)
    await world.deploy.create(INSTANCE, a_request(deployment_id="roll-2"))
    await world.drain()
    workflow = world.service_of("d1")["workflow"]["id"]

    await world.change(after_rotation(revoked))

    assert world.service_of("d1")["workflow"]["id"] == workflow
    assert world.service_of("d1")["updateManifestSignature"] == (await update_of(world)).signature


async def test_every_page_of_updates_is_signed_anew() -> None:
    world = KeyWorld()
    world.updates = MemoryUpdates(page_size=2)
    world.rebuild()
    for minor in range(5):
        update_id = replace(V1, version=f"1.{minor}")
        await world.updates.add(INSTANCE, await signed(world, an_update(update_id)))

    await world.change(after_rotation(a_keyring()))

    found = []
    token: str | None = None
    while True:
        page = await world.updates.list(INSTANCE, token=token)
        found += [item.value.signature_edition for item in page.items]
        token = page.token
        if token is None:
            break
    assert found == [2] * 5


async def test_change_of_the_key_survives_a_crash_at_any_call() -> None:
    call = 0
    while True:
        call += 1
        world = await a_key_world("d1")
        workflow = world.service_of("d1")["workflow"]["id"]
        await world.tell(a_change(5, busy(workflow)))
        await world.drain()
        world.faults.crash_at(call)

        await world.change(after_revocation(a_keyring()))
        await world.settle()

        service = world.service_of("d1")
        assert service["workflow"]["id"] == f"{workflow}.2", call
        verify(service["updateManifest"], service["updateManifestSignature"], world.keyring)
        if world.faults.calls < call:
            break
    assert call > 20


def a_key_file(folder: Path, name: str = "S1.pem", mode: int = 0o600) -> Path:
    path = folder / name
    write_key(path, private_key(1))
    path.chmod(mode)
    return path


async def test_file_signer_signs_with_the_key_that_is_named(tmp_path: Path) -> None:
    a_key_file(tmp_path)
    digest = hashlib.sha256(b"data").digest()

    signature = await FileSigner(tmp_path).sign("S1.pem", digest)

    assert signature == await KeySigner().sign("key-1", digest)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_file_signer_refuses_a_key_that_others_can_read(tmp_path: Path, mode: int) -> None:
    a_key_file(tmp_path, mode=mode)

    with pytest.raises(DependencyFailed, match="read by others") as refused:
        await FileSigner(tmp_path).sign("S1.pem", b"\0" * 32)

    assert not refused.value.retryable


@pytest.mark.parametrize("name", ["S2.pem", "text.pem", "../S1.pem", "/etc/passwd", "..", ""])
async def test_file_signer_reads_nothing_but_keys_of_its_directory(
    tmp_path: Path, name: str
) -> None:
    a_key_file(tmp_path)
    (tmp_path / "signing").mkdir()
    (tmp_path / "signing/text.pem").write_text("no key")
    (tmp_path / "signing/text.pem").chmod(0o600)

    with pytest.raises(DependencyFailed):
        await FileSigner(tmp_path / "signing").sign(name, b"\0" * 32)


async def test_a_new_signing_key_asks_devices_anew_for_their_own_deployments() -> None:
    world = KeyWorld()
    await world.updates.add(INSTANCE, await signed(world, an_update(V2)))
    devices = ("d1", "d2")
    await world.tell(*(a_change(2, started(), device_id=device) for device in devices))
    for device in devices:
        request = OwnRequest("mine", V2, AT_ONCE)
        orders = world.services.deployments.device_orders
        await orders.deploy((INSTANCE, device, None), request, "anna")
    await world.drain()
    before = {device: world.service_of(device)["workflow"]["id"] for device in devices}
    await world.tell(a_change(3, succeeded(V2, before["d2"]), device_id="d2"))

    await world.change(after_revocation(a_keyring()))

    assert world.service_of("d1")["workflow"]["id"] != before["d1"]
    assert world.service_of("d1")["updateManifestSignature"] == (await update_of(world)).signature
    assert world.service_of("d2")["workflow"]["id"] == before["d2"]  # it has it
    (own,) = (await record(world, "d2")).own
    assert own.issue.edition == world.keyring.edition
