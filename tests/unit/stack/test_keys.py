from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.stack.keys import ROOT_KIDS, ensure_keys
from shared.contract.encoding import unb64url
from shared.contract.rootkeys import RootKey, RootKeyStore, parse_root_key_package, validate
from shared.contract.signature import verify_signing_key
from shared.domain.updates.keyring import Keyring

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys = tmp_path_factory.mktemp("state") / "keys"
    ensure_keys(keys)
    return keys


def roots_of(directory: Path) -> dict[str, RootKey]:
    document = json.loads((directory / "roots.json").read_text())
    return {kid: RootKey(kid, unb64url(key["n"]), key["e"]) for kid, key in document.items()}


def keyring_of(directory: Path) -> Keyring:
    return msgspec.json.decode((directory / "keyring.json").read_bytes(), type=Keyring)


def test_package_is_accepted_by_agents_built_with_the_roots(directory: Path) -> None:
    package = parse_root_key_package(keyring_of(directory).root_key_package.encode())

    validate(package, roots_of(directory))

    assert package.version == 1
    assert tuple(key.kid for key in package.root_keys) == ROOT_KIDS


def test_signing_key_is_vouched_for_by_a_root(directory: Path) -> None:
    keyring = keyring_of(directory)
    package = parse_root_key_package(keyring.root_key_package.encode())
    store = RootKeyStore(roots_of(directory), package)

    vouched = verify_signing_key(keyring.sjwk, store)

    signing_key = load_pem_private_key((directory / "signing" / keyring.key).read_bytes(), None)
    assert vouched == signing_key.public_key()


def test_service_has_no_root_key_beside_its_signing_key(directory: Path) -> None:
    assert [path.name for path in (directory / "signing").iterdir()] == [keyring_of(directory).key]


def test_built_in_roots_have_a_leading_zero_byte(directory: Path) -> None:
    for root in roots_of(directory).values():
        assert root.n[0] == 0
        assert len(root.n) == 3072 // 8 + 1


def test_keys_can_be_read_by_their_owner_only(directory: Path) -> None:
    paths = [directory, *directory.rglob("*")]

    assert len(paths) == 8
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_completed_ceremony_is_not_repeated(directory: Path) -> None:
    before = (directory / "roots/ODU.LOCAL.R1.pem").read_bytes()

    ensure_keys(directory)

    assert (directory / "roots/ODU.LOCAL.R1.pem").read_bytes() == before


def test_an_interrupted_ceremony_is_held_again(tmp_path: Path) -> None:
    (tmp_path / "keys.new/roots").mkdir(parents=True)
    (tmp_path / "keys.new/roots/ODU.LOCAL.R1.pem").write_text("half")

    ensure_keys(tmp_path / "keys")

    assert "PRIVATE KEY" in (tmp_path / "keys/roots/ODU.LOCAL.R1.pem").read_text()
    assert not (tmp_path / "keys.new").exists()
