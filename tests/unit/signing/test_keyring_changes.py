from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from odu_cli.keys import KeysError
from odu_cli.keys.changes import disabled_kids, next_kid, revoked, rotated
from odu_cli.keys.roots import Roots
from odu_cli.keys.service import encoded
from odu_cli.keys.signing_keys import KeyFolder
from shared.contract.codes import Erc
from shared.contract.rootkeys import parse_root_key_package
from shared.contract.signature import SignatureError, verify_signing_key
from shared.domain.updates.keyring import Keyring
from tests.signing import (
    OPERATOR,
    a_keyring,
    after_revocation,
    after_rotation,
    device_store,
    private_key,
    roots,
    signing_key,
)


def test_rotation_takes_a_new_key_and_leaves_the_package_alone() -> None:
    keyring = after_rotation(a_keyring())

    assert (keyring.edition, keyring.revoked_edition, keyring.kid) == (2, 0, "SIGN.2")
    assert keyring.root_key_package == a_keyring().root_key_package
    assert set(keyring.key_hashes) == {"SIGN.1", "SIGN.2"}
    assert verify_signing_key(keyring.sjwk, device_store(keyring)) == private_key(2).public_key()


def test_old_key_stays_good_after_a_rotation() -> None:
    keyring = after_rotation(a_keyring())

    verify_signing_key(a_keyring().sjwk, device_store(keyring))

    assert disabled_kids(keyring) == set()


def test_revocation_raises_the_package_and_replaces_the_key() -> None:
    keyring = after_revocation(after_rotation(a_keyring()))

    assert (keyring.edition, keyring.revoked_edition, keyring.kid) == (3, 3, "SIGN.3")
    assert keyring.root_key_version == 2
    assert disabled_kids(keyring) == {"SIGN.2"}
    verify_signing_key(keyring.sjwk, device_store(keyring))
    with pytest.raises(SignatureError) as refused:
        verify_signing_key(after_rotation(a_keyring()).sjwk, device_store(keyring))
    assert refused.value.erc == Erc.SIGNING_KEY_DISABLED


def test_retired_key_is_revoked_without_another_signing_key() -> None:
    rotated_once = after_rotation(a_keyring())

    keyring = revoked(rotated_once, roots(), "SIGN.1", None, OPERATOR)

    assert (keyring.edition, keyring.revoked_edition, keyring.kid) == (2, 0, "SIGN.2")
    assert keyring.root_key_version == 2
    assert disabled_kids(keyring) == {"SIGN.1"}


def test_revoked_keys_stay_revoked_when_another_follows() -> None:
    keyring = after_revocation(after_revocation(a_keyring()))

    assert disabled_kids(keyring) == {"SIGN.1", "SIGN.2"}
    assert keyring.root_key_version == 3


@pytest.mark.parametrize("kid", ["SIGN.1", "SIGN.9"])
def test_revocation_is_refused_when_the_key_is_revoked_or_unknown(kid: str) -> None:
    keyring = after_revocation(a_keyring())

    with pytest.raises(KeysError, match=kid):
        revoked(keyring, roots(), kid, None, OPERATOR)


def test_rotation_is_refused_with_other_root_keys() -> None:
    fewer = Roots(dict(list(roots().keys.items())[:1]))

    with pytest.raises(KeysError, match="not those of the keyring"):
        rotated(a_keyring(), fewer, signing_key("SIGN.2", 2), OPERATOR)


def test_rotation_is_refused_when_the_id_was_used_before() -> None:
    with pytest.raises(KeysError, match=r"SIGN\.1"):
        rotated(a_keyring(), roots(), signing_key("SIGN.1", 2), OPERATOR)


@pytest.mark.parametrize(
    ("kid", "known", "following"),
    [("S1", {"S1"}, "S2"), ("S1", {"S1", "S2"}, "S3"), ("S", {"S"}, "S1"), ("9", {"9"}, "10")],
)
def test_next_kid_is_the_first_free_number(kid: str, known: set[str], following: str) -> None:
    keyring = replace(a_keyring(), kid=kid, key_hashes=dict.fromkeys(known, "hash"))

    assert next_kid(keyring) == following


def test_keyring_is_read_as_it_was_written() -> None:
    keyring = after_revocation(a_keyring())

    assert msgspec.json.decode(encoded(keyring), type=Keyring) == keyring


def test_keyring_holds_no_private_number() -> None:
    text = encoded(a_keyring()).decode()

    assert "PRIVATE" not in text
    assert '"d"' not in text


def test_root_keys_come_back_in_the_order_of_the_package(tmp_path: Path) -> None:
    roots().save(tmp_path)

    loaded = Roots.load(tmp_path)

    package = parse_root_key_package(a_keyring().root_key_package.encode())
    assert list(loaded.keys) == [root.kid for root in package.root_keys]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [None, b"no key", b""])
def test_root_keys_are_refused_when_absent_or_damaged(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "R1.pem").write_bytes(content)

    with pytest.raises(KeysError, match=r"R1|no root key"):
        Roots.load(tmp_path)


def test_signing_key_is_never_overwritten(tmp_path: Path) -> None:
    store = KeyFolder(tmp_path / "signing")
    store.create("S1")
    before = (tmp_path / "signing/S1.pem").read_bytes()

    with pytest.raises(KeysError, match="never overwritten"):
        store.create("S1")

    assert (tmp_path / "signing/S1.pem").read_bytes() == before
