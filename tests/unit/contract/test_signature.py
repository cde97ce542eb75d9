from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

from shared.contract.codes import Erc
from shared.contract.encoding import b64url, sha256_b64, unb64, unb64url
from shared.contract.rootkeys import RootKey, RootKeyStore, rsa_public_key, signing_key_hash
from shared.contract.signature import (
    SignatureError,
    compose,
    signing_input,
    signing_key_input,
    verify_signing_key,
    verify_update_manifest,
)

from . import vectors

MANIFEST = '{"manifestVersion":"5"}'


def _erc(manifest: str, signature: str, **package: Any) -> int:
    with pytest.raises(SignatureError) as caught:
        verify_update_manifest(manifest, signature, vectors.store(**package))
    return caught.value.erc


def _jws(header: Any, payload: Any, key: str) -> str:
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    data = ".".join(b64url(part.encode()) for part in parts).encode()
    return compose(data, vectors.sign(key, data))


def _outer(header: Any, payload: Any = None) -> str:
    return _jws(header, payload or {"sha256": sha256_b64(MANIFEST.encode())}, "signing.1")


def _with_sjwk(sjwk: str) -> str:
    return _outer({"alg": "RS256", "sjwk": sjwk})


def _inner(header: Any = None, **changes: Any) -> str:
    data = signing_key_input(vectors.private_key("signing.1").public_key(), "signing.1", "root.1")
    payload = {**json.loads(unb64url(data.split(b".")[1].decode())), **changes}
    return _jws(header or {"alg": "RS256", "kid": "root.1"}, payload, "root.1")


@settings(max_examples=20)
@given(st.text())
def test_signature_is_accepted_for_its_manifest_alone(manifest: str) -> None:
    signature = vectors.manifest_signature(manifest)

    verify_update_manifest(manifest, signature, vectors.store())
    assert _erc(manifest + " ", signature) == Erc.MANIFEST_HASH_WRONG


@pytest.mark.parametrize(
    ("name", "erc"),
    [
        ("service-v4-vacuum.valid.json", None),
        ("service-v4-swupdate.tampered.json", Erc.MANIFEST_HASH_WRONG),
        ("service-v5-vacuum.tampered.json", Erc.MANIFEST_HASH_WRONG),
    ],
)
def test_signature_of_production_has_the_verdict_of_the_vectors(name: str, erc: Erc | None) -> None:
    service = vectors.document(name)
    roots = RootKeyStore(
        vectors.production_roots(), vectors.package("rootkeys-production.valid.json")
    )
    verdict = None

    try:
        verify_update_manifest(service["updateManifest"], service["updateManifestSignature"], roots)
    except SignatureError as error:
        verdict = error.erc

    assert verdict == erc


def test_signature_of_production_is_refused_when_its_key_is_disabled() -> None:
    service = vectors.document("service-v4-vacuum.valid.json")
    package = vectors.package("rootkeys-disabled-signing-key.unsigned.json")
    roots = RootKeyStore(vectors.production_roots(), package)

    with pytest.raises(SignatureError) as caught:
        verify_update_manifest(service["updateManifest"], service["updateManifestSignature"], roots)

    assert caught.value.erc == Erc.SIGNING_KEY_DISABLED


def test_signing_keys_of_the_vectors_have_their_verdicts() -> None:
    roots = RootKeyStore(
        vectors.production_roots(), vectors.package("rootkeys-production.valid.json")
    )

    verify_signing_key(vectors.text("sjwk.valid.txt").strip(), roots)
    with pytest.raises(SignatureError) as caught:
        verify_signing_key(vectors.text("sjwk.two-parts.txt").strip(), roots)
    assert caught.value.erc == Erc.JWS_BAD_STRUCTURE


def test_signature_of_the_vectors_holds_up_to_its_absent_manifest() -> None:
    roots = RootKeyStore(
        vectors.production_roots(), vectors.package("rootkeys-production.valid.json")
    )
    text = vectors.text("jws.valid.txt").strip()
    jwk = vectors.document("jwk.for-jws.json")

    with pytest.raises(SignatureError) as caught:
        verify_update_manifest("absent", text, roots)

    assert caught.value.erc == Erc.MANIFEST_HASH_WRONG
    sjwk = json.loads(unb64url(text.split(".")[0]))["sjwk"]
    assert verify_signing_key(sjwk, roots) == rsa_public_key(unb64(jwk["n"]), 65537)


@pytest.mark.parametrize(
    ("name", "roots", "erc"),
    [
        ("service-v5-delta.valid.json", "production", None),
        ("service-v4-script.tampered.json", "production", Erc.MANIFEST_HASH_WRONG),
        ("service-v4-no-action.json", "production", None),
        ("service-v1-testroot.json", "test", None),
        ("service-v1-testroot.json", "production", Erc.JWS_ROOT_KEY_UNKNOWN),
    ],
)
def test_services_of_the_second_half_have_their_verdicts(
    name: str, roots: str, erc: Erc | None
) -> None:
    service = vectors.document(name)
    package = vectors.package("rootkeys-production.valid.json")
    store = RootKeyStore(vectors.roots_of(roots), package)
    verdict = None

    try:
        verify_update_manifest(service["updateManifest"], service["updateManifestSignature"], store)
    except SignatureError as error:
        verdict = error.erc

    assert verdict == erc


def test_changed_signatures_of_the_second_half_are_refused() -> None:
    roots = RootKeyStore(
        vectors.production_roots(), vectors.package("rootkeys-production.valid.json")
    )

    with pytest.raises(SignatureError) as inner:
        verify_signing_key(vectors.text("sjwk.bad-signature.txt").strip(), roots)
    with pytest.raises(SignatureError) as outer:
        verify_update_manifest("absent", vectors.text("jws.bad-signature.txt").strip(), roots)

    assert (inner.value.erc, outer.value.erc) == (Erc.JWS_INVALID_SIGNATURE,) * 2


def test_hashes_of_signing_keys_are_those_of_both_halves() -> None:
    keys = vectors.document("signing-key-hash.json") + vectors.document(
        "signing-key-hash.more.json"
    )
    for key in keys:
        modulus = unb64url(key["n_b64url"]) if "n_b64url" in key else unb64(key["n_b64"])
        assert signing_key_hash(rsa_public_key(modulus, 65537)) == key["sha256_pkcs1_b64url"]


def test_signature_is_refused_when_any_character_is_changed() -> None:
    signature = vectors.manifest_signature(MANIFEST)
    store = vectors.store()
    for position, character in enumerate(signature):
        changed = "A" if character != "A" else "B"
        with pytest.raises(SignatureError):
            verify_update_manifest(
                MANIFEST, signature[:position] + changed + signature[position + 1 :], store
            )


def test_signature_is_refused_when_any_byte_of_the_manifest_is_flipped() -> None:
    signature = vectors.manifest_signature(MANIFEST)
    for position in range(len(MANIFEST)):
        for bit in range(7):
            changed = bytearray(MANIFEST.encode())
            changed[position] ^= 1 << bit
            assert _erc(changed.decode(), signature) == Erc.MANIFEST_HASH_WRONG


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a..c", "." * 70_000])
def test_signature_is_refused_when_it_has_no_three_parts(text: str) -> None:
    assert _erc(MANIFEST, text) == Erc.JWS_BAD_STRUCTURE


@pytest.mark.parametrize(
    ("header", "erc"),
    [
        ("not json", Erc.JWS_HEADER_ENCODING),
        ('{"alg":"RS256","alg":"none"}', Erc.JWS_HEADER_ENCODING),
        ({"alg": "RS256"}, Erc.JWS_BAD_STRUCTURE),
        ({"alg": "RS256", "sjwk": ""}, Erc.JWS_BAD_STRUCTURE),
        ({"alg": "RS256", "sjwk": ["a.b.c"]}, Erc.JWS_BAD_STRUCTURE),
        ({"alg": "RS256", "sjwk": "a.b"}, Erc.JWS_BAD_STRUCTURE),
        ({"alg": "RS256", "sjwk": "a.b.c"}, Erc.JWS_FAILED),
    ],
)
def test_signature_is_refused_when_its_header_is_wrong(header: Any, erc: Erc) -> None:
    assert _erc(MANIFEST, _outer(header)) == erc


@pytest.mark.parametrize("name", ["crit", "b64", "jwk", "jku", "x5u"])
def test_signature_is_refused_when_a_header_could_change_its_meaning(name: str) -> None:
    sjwk = vectors.sjwk()

    assert _erc(MANIFEST, _outer({"alg": "RS256", "sjwk": sjwk, name: 1})) == 0xA0200002
    assert _erc(MANIFEST, _with_sjwk(_inner({"alg": "RS256", "kid": "root.1", name: 1}))) == (
        Erc.JWS_BAD_STRUCTURE
    )


@pytest.mark.parametrize(
    ("algorithm", "erc"),
    [
        ("none", Erc.JWS_INVALID_SIGNATURE),
        ("HS256", Erc.JWS_INVALID_SIGNATURE),
        ("RS384", Erc.JWS_INVALID_SIGNATURE),
        (None, Erc.JWS_BAD_STRUCTURE),
        ("", Erc.JWS_BAD_STRUCTURE),
    ],
)
def test_signature_is_refused_when_the_algorithm_is_not_rs256(
    algorithm: str | None, erc: Erc
) -> None:
    sjwk = vectors.sjwk()

    assert _erc(MANIFEST, _outer({"alg": algorithm, "sjwk": sjwk})) == erc
    assert _erc(MANIFEST, _with_sjwk(_inner({"alg": algorithm, "kid": "root.1"}))) == erc


def test_signature_is_refused_when_the_algorithm_is_in_lower_case() -> None:
    signature = _outer({"alg": "rs256", "sjwk": vectors.sjwk()})

    assert _erc(MANIFEST, signature) == Erc.JWS_INVALID_SIGNATURE


@pytest.mark.parametrize(
    ("changes", "erc"),
    [
        ({"n": ""}, Erc.JWS_SIGNING_KEY_INVALID),
        ({"n": None}, Erc.JWS_SIGNING_KEY_INVALID),
        ({"n": 5}, Erc.JWS_SIGNING_KEY_INVALID),
        ({"e": None}, Erc.JWS_SIGNING_KEY_INVALID),
        ({"e": "AAEAAQ=="}, Erc.JWS_SIGNING_KEY_INVALID),
        ({"n": "AAA"}, Erc.JWS_BAD_STRUCTURE),
        ({"n": "-_-_"}, Erc.JWS_BAD_STRUCTURE),
        ({"n": "AAAA"}, Erc.JWS_SIGNING_KEY_UNBUILDABLE),
    ],
)
def test_signature_is_refused_when_the_signing_key_is_unusable(
    changes: dict[str, Any], erc: Erc
) -> None:
    assert _erc(MANIFEST, _with_sjwk(_inner(**changes))) == erc


def test_signature_is_refused_when_the_root_does_not_vouch() -> None:
    forged = _jws({"alg": "RS256", "kid": "root.1"}, {}, "signing.1")

    assert _erc(MANIFEST, _with_sjwk(forged)) == Erc.JWS_INVALID_SIGNATURE
    assert _erc(MANIFEST, _with_sjwk(_inner({"alg": "RS256"}))) == Erc.JWS_FAILED
    assert _erc(MANIFEST, vectors.manifest_signature(MANIFEST, root="other")) == (
        Erc.JWS_ROOT_KEY_UNKNOWN
    )


def test_signature_is_refused_when_another_key_made_it() -> None:
    data = signing_input(vectors.sjwk(), MANIFEST)

    assert _erc(MANIFEST, compose(data, vectors.sign("signing.2", data))) == (
        Erc.JWS_INVALID_SIGNATURE
    )


def test_signature_is_refused_when_a_key_is_disabled() -> None:
    signature = vectors.manifest_signature(MANIFEST)
    digest = signing_key_hash(vectors.private_key("signing.1").public_key())

    assert _erc(MANIFEST, signature, disabledRootKeys=["root.1"]) == Erc.JWS_ROOT_KEY_DISABLED
    entries = [{"alg": "SHA256", "hash": digest}]
    assert _erc(MANIFEST, signature, disabledSigningKeys=entries) == Erc.SIGNING_KEY_DISABLED


def test_signature_is_accepted_when_the_key_is_disabled_by_an_unmatched_algorithm() -> None:
    digest = signing_key_hash(vectors.private_key("signing.1").public_key())
    store = vectors.store(disabledSigningKeys=[{"alg": "SHA384", "hash": digest}])

    verify_update_manifest(MANIFEST, vectors.manifest_signature(MANIFEST), store)


@pytest.mark.parametrize("payload", ["text", {"sha256": 7}, {"other": "x"}])
def test_signature_is_refused_when_it_holds_no_hash(payload: Any) -> None:
    signature = _outer({"alg": "RS256", "sjwk": vectors.sjwk()}, payload)

    assert _erc(MANIFEST, signature) == Erc.MANIFEST_HASH_WRONG


def test_signature_is_refused_when_the_manifest_is_not_unicode() -> None:
    assert _erc("\ud800", vectors.manifest_signature(MANIFEST)) == Erc.MANIFEST_HASH_WRONG


def test_signing_key_input_refuses_a_key_when_its_exponent_is_unusual() -> None:
    numbers = vectors.private_key("signing.1").public_key().public_numbers()
    key = rsa.RSAPublicNumbers(3, numbers.n).public_key()

    with pytest.raises(ValueError, match="65537"):
        signing_key_input(key, "signing.1", "root.1")


def test_signature_is_the_same_as_joserfc_makes_and_accepts() -> None:
    pem = vectors.private_key("signing.1").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    registry = joserfc_jws.JWSRegistry(
        header_registry={"sjwk": HeaderParameter("Signed JSON Web Key", "str")},
        algorithms=["RS256"],
    )
    registry.max_header_length = 8192
    key = RSAKey.import_key(pem)
    ours = vectors.manifest_signature(MANIFEST)
    header = {"alg": "RS256", "sjwk": vectors.sjwk()}
    payload = json.dumps({"sha256": sha256_b64(MANIFEST.encode())}, separators=(",", ":"))

    theirs = joserfc_jws.serialize_compact(header, payload, key, registry=registry)

    assert theirs == ours
    assert joserfc_jws.deserialize_compact(ours, key, registry=registry).payload.decode() == payload
    verify_update_manifest(MANIFEST, theirs, vectors.store())


def _sections(data: bytes) -> list[Any]:
    return [json.loads(unb64url(part)) for part in data.decode().split(".")]


def test_bytes_to_be_signed_are_the_contracts() -> None:
    key = vectors.private_key("signing.1").public_key()

    assert _sections(signing_input("a.b.c", MANIFEST)) == [
        {"alg": "RS256", "sjwk": "a.b.c"},
        {"sha256": sha256_b64(MANIFEST.encode())},
    ]
    header, payload = _sections(signing_key_input(key, "signing.1", "root.1"))
    assert header == {"alg": "RS256", "kid": "root.1"}
    assert int.from_bytes(unb64(payload.pop("n")), "big") == key.public_numbers().n
    assert payload == {"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "signing.1"}


@pytest.mark.parametrize("kid", [5, None, ""])
def test_signing_key_is_refused_when_its_root_is_no_text(kid: Any) -> None:
    assert _erc(MANIFEST, _with_sjwk(_inner({"alg": "RS256", "kid": kid}))) == Erc.JWS_FAILED


def test_signature_has_a_longest_text() -> None:
    longest = "a.b." + "c" * (64 * 1024 - 4)

    assert _erc(MANIFEST, longest) == Erc.JWS_HEADER_ENCODING
    assert _erc(MANIFEST, longest + "c") == Erc.JWS_BAD_STRUCTURE


def test_signature_is_refused_when_it_is_no_base64() -> None:
    header, payload, _ = vectors.manifest_signature(MANIFEST).split(".")

    assert _erc(MANIFEST, f"{header}.{payload}.***") == Erc.JWS_INVALID_SIGNATURE


def test_refusal_says_why() -> None:
    with pytest.raises(SignatureError, match=r"root key root\.1 is disabled") as caught:
        verify_signing_key(vectors.sjwk(), vectors.store(disabledRootKeys=["root.1"]))

    assert caught.value.message == str(caught.value)


def test_root_key_that_cannot_be_used_vouches_for_nothing() -> None:
    store = vectors.store()
    small = RootKey("root.1", b"\x01", 65537)
    broken = RootKeyStore({**vectors.hard_coded_roots(), "root.1": small}, store.package)

    with pytest.raises(SignatureError, match=r"root key root\.1 is not usable") as caught:
        verify_update_manifest(MANIFEST, vectors.manifest_signature(MANIFEST), broken)

    assert caught.value.erc == Erc.JWS_ROOT_KEYS_INVALID
