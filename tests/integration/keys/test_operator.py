"""What `./odu keys` does to the storage of a service, without the service."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import QueueClient

from local.stack.keys import ROOTS, ensure_keys, publish_keyring, storage_of
from local.stack.provision import provision
from odu_cli.exit_codes import ExitCode
from odu_cli.keys import KeysError
from odu_cli.keys.changes import rotated
from odu_cli.keys.roots import Roots
from odu_cli.keys.service import Service
from odu_cli.keys.signing_keys import KeyFolder
from odu_cli.keys.site import KeySite
from odu_cli.storage import CONTENT_VARIABLES, QUEUES_VARIABLES
from shared.contract.rootkeys import parse_root_key_package, validate
from tests.azurite import Azurite, start_azurite
from tests.command_line import run
from tests.signing import OPERATOR, a_keyring, after_revocation, after_rotation, signing_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def azurite(tmp_path: Path) -> AsyncIterator[Azurite]:
    async with start_azurite(tmp_path) as running:
        await asyncio.to_thread(provision, running.connection_string)
        yield running


@pytest.fixture
def service(azurite: Azurite) -> Service:
    return storage_of(azurite.connection_string)


async def test_keyring_is_published_once_and_replaced_only_as_it_was_read(
    service: Service,
) -> None:
    first, second = a_keyring(), after_rotation(a_keyring())
    assert service.read() is None
    service.publish(first, None)
    with pytest.raises(KeysError, match="changed meanwhile"):
        service.publish(second, None)
    found = service.read()
    assert found is not None
    assert found[0] == first

    service.publish(second, found[1])

    with pytest.raises(KeysError, match="changed meanwhile"):
        service.publish(after_revocation(first), found[1])
    kept = service.read()
    assert kept is not None
    assert kept[0] == second


async def test_stack_gives_its_storage_the_keyring_that_is_newer(
    azurite: Azurite, service: Service, tmp_path: Path
) -> None:
    ensure_keys(tmp_path / "keys")
    publish_keyring(tmp_path / "keys", azurite.connection_string)
    found = service.read()
    assert found is not None
    assert found[0].edition == 1
    roots = Roots.load(tmp_path / "keys" / ROOTS)
    service.publish(rotated(found[0], roots, signing_key("S2", 2), OPERATOR), found[1])

    publish_keyring(tmp_path / "keys", azurite.connection_string)

    kept = service.read()
    assert kept is not None
    assert kept[0].edition == 2


async def test_first_ceremony_makes_root_keys_and_a_keyring_that_devices_accept(
    service: Service, tmp_path: Path
) -> None:
    site = KeySite(service=service, store=KeyFolder(tmp_path / "signing"), roots=tmp_path / "roots")

    key, built_in_file = site.create(["ACME.R1", "ACME.R2"], None)

    found = service.read()
    assert found is not None
    assert found[0].kid == key.kid
    package = parse_root_key_package(found[0].root_key_package.encode())
    assert list(json.loads(built_in_file.read_text())) == ["ACME.R1", "ACME.R2"]
    validate(package, {key.kid: key for key in package.root_keys})
    with pytest.raises(KeysError, match="has a keyring"):
        site.create([], None)


async def test_first_ceremony_insists_on_two_root_keys(service: Service, tmp_path: Path) -> None:
    site = KeySite(service=service, store=KeyFolder(tmp_path / "signing"), roots=tmp_path / "roots")

    with pytest.raises(KeysError, match="at least two"):
        site.create(["ACME.R1", "ACME.R1"], None)

    assert service.read() is None


async def test_order_is_a_message_that_the_host_can_read(
    azurite: Azurite, service: Service
) -> None:
    service.order_resigning()

    with QueueClient.from_connection_string(azurite.connection_string, "resign") as queue:
        (message,) = queue.receive_messages()
    assert json.loads(base64.b64decode(message.content)) == {}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "--content URL, or CONTENT_BLOB_URI"),
        ({"CONTENT_BLOB_URI": "https://content.example"}, "--queues URL, or STATE_QUEUE_URI"),
        ({"CONTENT_BLOB_URI": "http://content.example"}, "--content must be an https:// URL"),
        (
            {
                "CONTENT_BLOB_URI": "https://c.example",
                "STATE__queueServiceUri": "https://q.example",
            },
            "--vault URL, or SIGNING_VAULT_URL",
        ),
    ],
)
def test_deployed_service_is_found_by_what_its_deployment_printed(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wanted: str
) -> None:
    for name in (*CONTENT_VARIABLES, *QUEUES_VARIABLES, "SIGNING_VAULT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    ended = run("keys", "rotate", "--azure")

    assert ended.code == ExitCode.USAGE
    assert wanted in ended.stderr


def test_root_keys_have_to_be_named_for_a_deployed_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE__queueServiceUri", "https://state.queue.example")
    monkeypatch.setenv("CONTENT__blobServiceUri", "https://content.blob.example")
    monkeypatch.setenv("SIGNING_VAULT_URL", "https://keys.vault.example")

    ended = run("keys", "create", "--azure")

    assert ended.code == ExitCode.ERROR
    assert "--roots" in ended.stderr
