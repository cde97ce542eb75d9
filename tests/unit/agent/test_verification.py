from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odu_agent.contract.codes import Erc
from odu_agent.contract.rootkeys import RootKey, parse_root_key_package
from odu_agent.download import Downloader
from odu_agent.state import DeviceState
from odu_agent.verification import (
    VerificationError,
    Verifier,
    check_compatibility,
    check_not_older,
    version_key,
)
from odu_agent.workflow import parse_command

from tests.unit.contract import vectors


def _verifier(folder: Path, package: str = "rootkeys-production.valid.json") -> Verifier:
    roots = {kid: RootKey(kid, key.n, key.e) for kid, key in vectors.production_roots().items()}
    state = DeviceState(folder)
    state.save_root_key_package((vectors.VECTORS / package).read_bytes())
    return Verifier(roots, state, Downloader())


def _service(name: str) -> dict[str, Any]:
    url = "http://localhost/roots.json"
    workflow = {"action": 3, "id": "w"}
    return {**vectors.document(name), "workflow": workflow, "rootKeyPackageUrl": url}


@pytest.mark.parametrize(
    ("name", "erc"),
    [
        ("service-v4-vacuum.valid.json", None),
        ("service-v4-swupdate.tampered.json", Erc.MANIFEST_HASH_WRONG),
        ("service-v5-vacuum.tampered.json", Erc.MANIFEST_HASH_WRONG),
    ],
)
def test_verifier_gives_the_verdict_of_the_vectors(
    tmp_path: Path, name: str, erc: Erc | None
) -> None:
    verdict = None

    try:
        _verifier(tmp_path).verify(parse_command(_service(name)))
    except VerificationError as error:
        verdict = error.erc

    assert verdict == erc


def test_verifier_refuses_a_disabled_signing_key_of_the_vectors(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    package = vectors.VECTORS / "rootkeys-disabled-signing-key.unsigned.json"
    verifier.roots = verifier.roots.with_package(parse_root_key_package(package.read_bytes()))

    with pytest.raises(VerificationError) as caught:
        verifier.verify(parse_command(_service("service-v4-vacuum.valid.json")))

    assert caught.value.erc == Erc.SIGNING_KEY_DISABLED


@pytest.mark.parametrize(
    "package", ["rootkeys-disabled-signing-key.unsigned.json", "rootkeys-testpair.valid.json"]
)
def test_verifier_does_not_use_a_stored_package_when_it_is_not_valid(
    tmp_path: Path, package: str
) -> None:
    verifier = _verifier(tmp_path, package)

    assert verifier.roots.package is None
    with pytest.raises(VerificationError) as caught:
        verifier.verify(parse_command(_service("service-v4-vacuum.valid.json")))
    assert caught.value.erc == Erc.JWS_ROOT_KEYS_INVALID


@pytest.mark.parametrize("member", ["updateManifest", "updateManifestSignature"])
def test_verifier_refuses_a_command_when_any_character_is_changed(
    tmp_path: Path, member: str
) -> None:
    verifier = _verifier(tmp_path)
    service = _service("service-v4-vacuum.valid.json")
    text = service[member]
    for position in range(0, len(text), 7):
        changed = "A" if text[position] != "A" else "B"
        tampered = text[:position] + changed + text[position + 1 :]
        with pytest.raises(VerificationError):
            verifier.verify(parse_command({**service, member: tampered}))


@pytest.mark.parametrize(
    "compatibility",
    [
        [{"manufacturer": "contoso"}],
        [{"model": "x"}, {"manufacturer": "contoso", "model": "vacuum"}],
        [{"deviceManufacturer": "contoso", "deviceModel": "vacuum"}],
    ],
)
def test_compatibility_matches_when_one_set_describes_the_device(
    compatibility: list[dict[str, str]],
) -> None:
    check_compatibility(compatibility, {"manufacturer": "contoso", "model": "vacuum"})


@pytest.mark.parametrize(
    "compatibility",
    [[], [{}], [{"manufacturer": "Contoso"}], [{"manufacturer": "contoso", "location": "lab"}]],
)
def test_compatibility_fails_when_no_set_describes_the_device(
    compatibility: list[dict[str, str]],
) -> None:
    with pytest.raises(VerificationError) as caught:
        check_compatibility(compatibility, {"manufacturer": "contoso", "model": "vacuum"})

    assert caught.value.erc == Erc.NOT_COMPATIBLE


_PARTS = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(_PARTS, _PARTS)
def test_versions_are_ordered_by_their_numbers(one: list[int], other: list[int]) -> None:
    keys = [version_key(".".join(map(str, parts))) for parts in (one, other)]
    padded = [tuple(parts + [0] * (4 - len(parts))) for parts in (one, other)]

    assert (keys[0] < keys[1]) == (padded[0] < padded[1])


def test_older_version_is_refused_and_an_equal_one_taken() -> None:
    check_not_older("1.0", None)
    check_not_older("1.2", "1.2.0.0")
    check_not_older("1.10", "1.9")
    with pytest.raises(VerificationError) as caught:
        check_not_older("1.9", "1.10")
    assert caught.value.erc == Erc.DOWNGRADE_REFUSED
    with pytest.raises(VerificationError) as caught:
        check_not_older("one", "1.10")
    assert caught.value.erc == Erc.UPDATE_ID_INVALID


@pytest.mark.parametrize(
    "package",
    [
        "rootkeys-disabled-signing-key.unsigned.json",
        "rootkeys-testpair.valid.json",
        "rootkeys-testpair.tampered.json",
    ],
)
def test_verifier_takes_over_no_package_that_its_roots_did_not_sign(
    tmp_path: Path, package: str
) -> None:
    verifier = _verifier(tmp_path)
    before = verifier.roots.package

    with pytest.raises(VerificationError):
        verifier.take_over((vectors.VECTORS / package).read_bytes())

    assert verifier.roots.package == before


def test_verifier_takes_over_no_newer_package_whose_signatures_are_of_an_older(
    tmp_path: Path,
) -> None:
    verifier = _verifier(tmp_path)
    before = verifier.roots.package
    document = vectors.document("rootkeys-production.valid.json")
    document["protected"]["version"] += 1

    with pytest.raises(VerificationError):
        verifier.take_over(json.dumps(document).encode())

    assert verifier.roots.package == before
