from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codes import Erc
from shared.contract.encoding import unb64, unb64url
from shared.contract.rootkeys import (
    RootKeyError,
    RootKeyStore,
    compose_root_key_package,
    package_signing_bytes,
    parse_root_key_package,
    rsa_public_key,
    signing_key_hash,
    validate,
)

from . import vectors

_MISSING = object()


def _erc(data: bytes, **options: Any) -> int:
    with pytest.raises(RootKeyError) as caught:
        validate(parse_root_key_package(data), vectors.hard_coded_roots(), **options)
    return caught.value.erc


def _signed_with(path: str, value: Any) -> bytes:
    members = json.loads(vectors.signed_package())
    *parents, last = path.split("/")
    place = members
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is _MISSING:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(members).encode()


def test_package_is_valid_when_every_root_signed_it() -> None:
    package = parse_root_key_package(vectors.signed_package())

    validate(package, vectors.hard_coded_roots())
    assert [key.kid for key in package.root_keys] == list(vectors.ROOT_KIDS)


def test_package_of_production_is_valid_under_production_roots() -> None:
    validate(vectors.package("rootkeys-production.valid.json"), vectors.production_roots())


def test_package_of_the_test_pair_is_valid_under_its_own_roots_alone() -> None:
    package = vectors.package("rootkeys-testpair.valid.json")

    validate(package, {key.kid: key for key in package.root_keys})
    with pytest.raises(RootKeyError) as caught:
        validate(package, vectors.production_roots())
    assert caught.value.erc == Erc.PACKAGE_ROOT_KEY_MISSING


def test_package_is_refused_when_its_signature_is_a_placeholder() -> None:
    with pytest.raises(RootKeyError) as caught:
        validate(
            vectors.package("rootkeys-disabled-signing-key.unsigned.json"),
            vectors.production_roots(),
        )

    assert caught.value.erc == Erc.PACKAGE_SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("path", "value", "erc"),
    [
        ("protected", [], Erc.PACKAGE_PROTECTED),
        ("protected/isTest", "no", Erc.PACKAGE_PROTECTED),
        ("protected/version", 0, Erc.PACKAGE_VERSION),
        ("protected/version", "1", Erc.PACKAGE_VERSION),
        ("protected/published", 0, Erc.PACKAGE_PUBLISHED),
        ("protected/published", _MISSING, Erc.PACKAGE_PUBLISHED),
        ("protected/disabledRootKeys", _MISSING, Erc.PACKAGE_DISABLED_ROOT_KEYS),
        ("protected/disabledSigningKeys", {}, Erc.PACKAGE_DISABLED_SIGNING_KEYS),
        ("protected/disabledSigningKeys", [{"hash": "AA"}], Erc.PACKAGE_HASH_ALG_MISSING),
        (
            "protected/disabledSigningKeys",
            [{"alg": "MD5", "hash": "AA"}],
            Erc.PACKAGE_HASH_ALG_UNSUPPORTED,
        ),
        ("protected/disabledSigningKeys", [{"alg": "SHA256"}], Erc.PACKAGE_HASH_MISSING),
        ("protected/rootKeys", {}, Erc.PACKAGE_ROOT_KEYS_EMPTY),
        ("protected/rootKeys/root.1/keyType", _MISSING, Erc.PACKAGE_KEY_TYPE_MISSING),
        ("protected/rootKeys/root.1/keyType", "rsa", Erc.PACKAGE_KEY_TYPE_UNSUPPORTED),
        ("protected/rootKeys/root.1/n", _MISSING, Erc.PACKAGE_MODULUS_MISSING),
        ("protected/rootKeys/root.1/n", "a+b", Erc.PACKAGE_MODULUS_MALFORMED),
        ("protected/rootKeys/root.1/e", "AQAB", Erc.PACKAGE_EXPONENT),
        ("signatures", _MISSING, Erc.PACKAGE_SIGNATURES),
        ("signatures", [], Erc.PACKAGE_SIGNATURES_EMPTY),
        ("signatures/0/alg", None, Erc.PACKAGE_SIGNATURE_ALG_MISSING),
        ("signatures/0/alg", "ES256", Erc.PACKAGE_SIGNATURE_ALG_UNSUPPORTED),
        ("signatures/0/sig", "=", Erc.PACKAGE_SIGNATURES),
        ("protected/version", 2, Erc.PACKAGE_SIGNATURE_WRONG),
    ],
)
def test_package_is_refused_when_a_member_is_wrong(path: str, value: Any, erc: Erc) -> None:
    assert _erc(_signed_with(path, value)) == erc


def test_package_is_refused_when_not_json() -> None:
    assert _erc(b"\xff") == Erc.PACKAGE_NOT_JSON
    assert _erc(b'{"protected":{"isTest":false,"x":"\\ud800"}}') == Erc.PACKAGE_NOT_JSON


def test_package_is_refused_when_a_signature_is_missing() -> None:
    members = json.loads(vectors.signed_package())
    del members["signatures"][1]

    assert _erc(json.dumps(members).encode()) == Erc.PACKAGE_SIGNATURE_MISSING


def test_package_is_refused_when_the_signatures_are_swapped() -> None:
    members = json.loads(vectors.signed_package())
    members["signatures"].reverse()

    assert _erc(json.dumps(members).encode()) == Erc.PACKAGE_SIGNATURE_WRONG


def test_package_must_be_of_the_builds_kind() -> None:
    assert _erc(vectors.signed_package(isTest=True)) == Erc.PACKAGE_IS_TEST
    assert _erc(vectors.signed_package(), is_test_build=True) == Erc.PACKAGE_IS_PRODUCTION
    validate(
        parse_root_key_package(vectors.signed_package(isTest=True)),
        vectors.hard_coded_roots(),
        is_test_build=True,
    )


def test_package_is_refused_when_the_device_has_no_roots() -> None:
    with pytest.raises(RootKeyError) as caught:
        validate(parse_root_key_package(vectors.signed_package()), {})

    assert caught.value.erc == Erc.PACKAGE_ROOT_KEY_MISSING


def test_package_is_signed_with_escaped_slashes() -> None:
    data = vectors.signed_package(note="a/b")

    assert b'"a\\/b"' in data
    validate(parse_root_key_package(data), vectors.hard_coded_roots())
    validate(parse_root_key_package(data.replace(b"\\/", b"/")), vectors.hard_coded_roots())
    assert package_signing_bytes({"b": "/", "a": 1}) == b'{"b":"\\/","a":1}'


def test_compose_refuses_when_the_counts_differ() -> None:
    with pytest.raises(ValueError, match="one signature per root key"):
        compose_root_key_package(vectors.protected(), [b"x"])


def test_package_is_refused_when_any_byte_is_flipped() -> None:
    data = vectors.signed_package(isTest=False)
    roots = vectors.hard_coded_roots()
    for position in range(len(data)):
        tampered = bytearray(data)
        tampered[position] ^= 1
        with pytest.raises(RootKeyError):
            validate(parse_root_key_package(bytes(tampered)), roots)


@given(st.binary() | st.text().map(str.encode))
def test_parse_raises_nothing_else_when_given_any_bytes(data: bytes) -> None:
    with pytest.raises(RootKeyError):
        parse_root_key_package(data)


def test_store_finds_hard_coded_and_added_roots() -> None:
    members = vectors.protected()
    added = {**members["rootKeys"], "root.3": members["rootKeys"]["root.1"]}
    store = vectors.store(rootKeys=added)

    assert store.find("root.1") == vectors.hard_coded_roots()["root.1"]
    assert store.find("root.3").n == vectors.hard_coded_roots()["root.1"].n


@pytest.mark.parametrize(
    ("kid", "erc"),
    [("root.2", Erc.JWS_ROOT_KEY_DISABLED), ("other", Erc.JWS_ROOT_KEY_UNKNOWN)],
)
def test_store_refuses_a_root_when_disabled_or_unknown(kid: str, erc: Erc) -> None:
    with pytest.raises(RootKeyError) as caught:
        vectors.store(disabledRootKeys=["root.2"]).find(kid)

    assert caught.value.erc == erc


def test_store_refuses_every_root_when_it_has_no_package() -> None:
    with pytest.raises(RootKeyError) as caught:
        RootKeyStore(vectors.hard_coded_roots()).find("root.1")

    assert caught.value.erc == Erc.JWS_ROOT_KEYS_INVALID


def test_signing_key_hash_is_the_one_of_the_vectors() -> None:
    for entry in vectors.document("signing-key-hash.json"):
        n = unb64(entry["n_b64"]) if "n_b64" in entry else unb64url(entry["n_b64url"])

        assert signing_key_hash(rsa_public_key(n, 65537)) == entry["sha256_pkcs1_b64url"]


@pytest.mark.parametrize("bits", [0, 1024, 16384])
def test_rsa_public_key_refuses_a_key_when_too_small_or_large(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        rsa_public_key(((1 << bits) - 1).to_bytes(bits // 8, "big"), 65537)


def test_packages_of_the_second_half_have_their_verdicts() -> None:
    tampered = vectors.package("rootkeys-testpair.tampered.json")
    own = {key.kid: key for key in tampered.root_keys}
    with pytest.raises(RootKeyError) as changed:
        validate(tampered, own)
    disabling = vectors.package("rootkeys-disabled-root-key.unsigned.json")
    with pytest.raises(RootKeyError) as unsigned:
        validate(disabling, vectors.production_roots())
    store = RootKeyStore(vectors.production_roots(), disabling)
    with pytest.raises(RootKeyError) as disabled:
        store.find("ADU.200702.R")
    parsed = vectors.package("rootkeys-parse-only.json")

    assert (changed.value.erc, unsigned.value.erc) == (Erc.PACKAGE_SIGNATURE_WRONG,) * 2
    assert disabled.value.erc == Erc.JWS_ROOT_KEY_DISABLED
    assert store.find("ADU.200703.R").kid == "ADU.200703.R"
    assert (parsed.is_test, parsed.version, parsed.published) == (False, 1, 1667343602)
    assert (len(parsed.root_keys), len(parsed.signatures)) == (2, 2)
