"""Changes of the keyring in the audit log, by whichever way they were made."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from shared.domain.updates.keyring import KEYRING, Keyring
from shared.services.audit.keyring_watch import KeyringWatch
from tests.settings import INSTANCE
from tests.unit.services.world import World

PACKAGE = json.dumps({"protected": {"version": 3}})


def keyring(edition: int) -> bytes:
    made = Keyring(
        edition=edition,
        revoked_edition=0,
        kid=f"key-{edition}",
        key=f"key-{edition}.pem",
        sjwk="j.w.s",
        root_key_package=PACKAGE,
        key_hashes={f"key-{number}": "h" for number in range(1, edition + 1)},
        changed_at="2026-01-01T00:00:00.000000+00:00",
        changed_by="anna@workstation",
    )
    return msgspec.json.encode(made)


@pytest.fixture
def world() -> World:
    return World()


def watch(world: World, *instances: str) -> KeyringWatch:
    """A new process: it remembers nothing."""
    return KeyringWatch(instances or (INSTANCE,), world.blobs, world.audit, world.clock)


def entries(world: World) -> list[dict[str, Any]]:
    rows = world.audit_log.rows
    found = [rows[key] for key in sorted(rows, key=lambda key: (key[0], key[2]))]
    return [entry for entry in found if entry["action"] == "change_keyring"]


async def test_change_gets_one_entry_however_often_it_is_looked_at(world: World) -> None:
    await world.blobs.write("manifests", KEYRING, keyring(1))
    first = watch(world)

    await first.look()
    await first.look()
    await watch(world).look()

    (entry,) = entries(world)
    assert entry["origin"] == "Keys"
    assert entry["result"] == "Succeeded"
    assert entry["actor"]["name"].startswith("anna@workstation")
    assert entry["after"]["signingKey"] == "key-1"
    assert entry["after"]["rootKeyPackageVersion"] == 3


async def test_rotation_gets_an_entry_of_each_instance(world: World) -> None:
    both = (INSTANCE, "second")
    await world.blobs.write("manifests", KEYRING, keyring(1))
    await watch(world, *both).look()

    await world.blobs.write("manifests", KEYRING, keyring(2))
    await watch(world, *both).look()

    seen = [(entry["instanceId"], entry["after"]["edition"]) for entry in entries(world)]
    assert seen == [(INSTANCE, 1), (INSTANCE, 2), ("second", 1), ("second", 2)]


async def test_keyring_of_old_that_is_put_back_is_a_change(world: World) -> None:
    for edition in (1, 2, 1):
        await world.blobs.write("manifests", KEYRING, keyring(edition))
        await watch(world).look()

    assert [entry["after"]["edition"] for entry in entries(world)] == [1, 2, 1]


async def test_damaged_keyring_is_written_down(world: World) -> None:
    await world.blobs.write("manifests", KEYRING, b"{")

    await watch(world).look()

    assert [entry["after"]["state"] for entry in entries(world)] == ["Damaged"]


async def test_entry_that_could_not_be_written_is_written_at_the_next_look(world: World) -> None:
    await world.blobs.write("manifests", KEYRING, keyring(1))
    attempt = watch(world)
    begin, world.audit_log.begin = world.audit_log.begin, _broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await attempt.look()
    world.audit_log.begin = begin  # type: ignore[method-assign]

    await attempt.look()

    assert len(entries(world)) == 1


async def _broken(*given: Any) -> bool:
    raise ConnectionError
