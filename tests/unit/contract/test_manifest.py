from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codes import Erc
from shared.contract.manifest import (
    ManifestError,
    ManifestFile,
    ManifestStep,
    ManifestUpdateId,
    UpdateManifest,
    detached_document,
    installed_update_id_text,
    parse_detached,
    parse_update_manifest,
)

from . import vectors

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_TEXTS = st.dictionaries(_TEXT, _TEXT, max_size=3)
_PLAIN_FILES = st.builds(
    ManifestFile,
    file_name=_TEXT,
    size_in_bytes=st.integers(0, 2**53),
    hashes=_TEXTS,
    properties=st.none() | _TEXTS,
    arguments=st.none() | _TEXT,
)
_DELTA_FILES = st.builds(
    ManifestFile,
    file_name=_TEXT,
    size_in_bytes=st.integers(0, 2**53),
    hashes=_TEXTS,
    download_handler=_TEXT,
    related_files=st.dictionaries(_TEXT, _PLAIN_FILES, max_size=2),
)
_STEPS = st.builds(
    ManifestStep,
    handler=_TEXT,
    files=st.lists(_TEXT, max_size=3).map(tuple),
    handler_properties=_TEXTS,
) | st.builds(ManifestStep, detached_manifest_file_id=_TEXT)
_MANIFESTS = st.builds(
    UpdateManifest,
    update_id=st.builds(ManifestUpdateId, _TEXT, _TEXT, _TEXT),
    compatibility=st.lists(_TEXTS, max_size=3).map(tuple),
    steps=st.lists(_STEPS, min_size=1, max_size=4).map(tuple),
    files=st.dictionaries(_TEXT, _PLAIN_FILES | _DELTA_FILES, max_size=3),
    created_date_time=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    manifest_version=st.sampled_from(["4", "5", "4.0", "5.0"]),
)


def _members() -> dict[str, Any]:
    members: dict[str, Any] = json.loads(
        vectors.document("service-v4-vacuum.valid.json")["updateManifest"]
    )
    return members


@given(_MANIFESTS)
def test_manifest_comes_back_from_its_text(manifest: UpdateManifest) -> None:
    text = manifest.to_json()

    assert parse_update_manifest(text) == manifest
    assert parse_update_manifest(parse_detached(detached_document(text))).to_json() == text


def test_manifest_is_written_as_it_was_when_read_from_the_real_service() -> None:
    text = vectors.document("service-v4-vacuum.valid.json")["updateManifest"]

    manifest = parse_update_manifest(text)

    assert manifest.to_json() == text
    assert [step.is_reference for step in manifest.steps] == [False, True]
    assert manifest.steps[0].installed_criteria == "apt-update-tree-1.0"


def test_manifest_holds_its_related_file_when_it_has_a_download_handler() -> None:
    manifest = parse_update_manifest(vectors.text("manifest-v5-delta.template.json"))

    (file,) = manifest.files.values()
    (related,) = file.related_files.values()
    assert file.download_handler == "microsoft/delta:1"
    assert related.properties is not None
    assert related.properties["microsoft.sourceFileHashAlgorithm"] == "sha256"


def test_manifest_ignores_related_files_when_there_is_no_download_handler() -> None:
    members = json.loads(vectors.text("manifest-v5-delta.template.json"))
    del members["files"]["TARGET_UPDATE_FILE_ID"]["downloadHandler"]

    (file,) = parse_update_manifest(json.dumps(members)).files.values()

    assert file.related_files == {}


@pytest.mark.parametrize(
    ("change", "erc"),
    [
        ({"manifestVersion": "3"}, Erc.MANIFEST_VERSION_UNSUPPORTED),
        ({"manifestVersion": "6.0"}, Erc.MANIFEST_VERSION_UNSUPPORTED),
        ({"manifestVersion": "five"}, Erc.MANIFEST_VERSION_UNSUPPORTED),
        ({"manifestVersion": None}, Erc.MANIFEST_VERSION_UNSUPPORTED),
        ({"manifestVersion": 5}, Erc.MANIFEST_MALFORMED),
        ({"updateId": {"provider": "a", "name": "b"}}, Erc.UPDATE_ID_INVALID),
        ({"instructions": {"steps": []}}, Erc.MANIFEST_MALFORMED),
        ({"instructions": {"steps": {}}}, Erc.MANIFEST_MALFORMED),
        ({"instructions": {"steps": [7]}}, Erc.MANIFEST_MALFORMED),
        ({"instructions": {"steps": [{"files": []}]}}, Erc.STEP_WITHOUT_HANDLER),
        ({"instructions": {"steps": [{"handler": "h"}]}}, Erc.STEP_WITHOUT_PROPERTIES),
        ({"instructions": {"steps": [{"type": "reference"}]}}, Erc.MANIFEST_MALFORMED),
        ({"files": []}, Erc.MANIFEST_MALFORMED),
        ({"files": {"f": {"fileName": "a", "sizeInBytes": -1}}}, Erc.MANIFEST_MALFORMED),
        ({"files": {"f": {"fileName": "a", "sizeInBytes": True}}}, Erc.MANIFEST_MALFORMED),
        ({"compatibility": [{"model": 7}]}, Erc.MANIFEST_MALFORMED),
    ],
)
def test_parse_update_manifest_refuses_a_manifest_when_malformed(
    change: dict[str, Any], erc: Erc
) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_update_manifest(json.dumps({**_members(), **change}))

    assert caught.value.erc == erc


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_parse_update_manifest_raises_nothing_else_when_given_any_text(text: str) -> None:
    with pytest.raises(ManifestError):
        parse_update_manifest(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[" * 100_000, '{"a":NaN}'])
def test_parse_update_manifest_refuses_json_when_ambiguous_or_deep(text: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_update_manifest(text)

    assert caught.value.erc == Erc.MANIFEST_MALFORMED


def test_parse_update_manifest_takes_any_version_when_it_is_a_childs() -> None:
    text = json.dumps({**_members(), "manifestVersion": "9"})

    assert parse_update_manifest(text, check_version=False).manifest_version == "9"


@pytest.mark.parametrize(
    ("text", "erc"),
    [
        ("not json", Erc.DETACHED_NOT_JSON),
        ("{}", Erc.DETACHED_NO_MANIFEST),
        ('{"updateManifest":7}', Erc.DETACHED_NO_MANIFEST),
    ],
)
def test_parse_detached_refuses_a_file_when_it_holds_no_manifest(text: str, erc: Erc) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_detached(text)

    assert caught.value.erc == erc


def test_parse_detached_takes_a_manifest_when_given_as_an_object() -> None:
    assert parse_detached('{"updateManifest": {"a": "b"}}') == '{"a":"b"}'


def test_short_manifest_names_its_detached_file() -> None:
    file = ManifestFile("long.json", 10, {"sha256": "x"})
    update_id = ManifestUpdateId("p", "n", "1")
    manifest = UpdateManifest(update_id, (), (), {"f": file}, detached_manifest_file_id="f")

    assert parse_update_manifest(manifest.to_json()) == manifest


def test_installed_update_id_text_has_the_contracts_order() -> None:
    text = installed_update_id_text(ManifestUpdateId("Contoso", "Vacuum", "1.0"))

    assert text == '{"provider":"Contoso","name":"Vacuum","version":"1.0"}'


def test_manifests_of_the_second_half_are_read() -> None:
    one_file = parse_update_manifest(vectors.text("manifest-v5-one-file.json"))
    old = vectors.document("service-v1-testroot.json")["updateManifest"]
    with pytest.raises(ManifestError) as refused:
        parse_update_manifest(old)

    assert one_file.update_id == ManifestUpdateId("prov1", "update", "0.1")
    assert [step.handler for step in one_file.steps] == ["microsoft/foo:1"]
    assert [file.size_in_bytes for file in one_file.files.values()] == [5]
    assert refused.value.erc == Erc.MANIFEST_VERSION_UNSUPPORTED


@pytest.mark.parametrize("steps", [5, "one", {}, None, [], True, 1.5])
def test_steps_that_are_no_list_of_steps_are_malformed(steps: Any) -> None:
    document = {**_members(), "instructions": {"steps": steps}}

    with pytest.raises(ManifestError) as refused:
        parse_update_manifest(json.dumps(document))

    assert refused.value.erc == Erc.MANIFEST_MALFORMED


def test_step_needs_no_files() -> None:
    step = {"handler": "h", "handlerProperties": {}}
    document = {**_members(), "instructions": {"steps": [step]}}

    assert parse_update_manifest(json.dumps(document)).steps == (ManifestStep("h"),)


def test_refusal_names_the_member() -> None:
    with pytest.raises(ManifestError, match="compatibility must be") as refused:
        parse_update_manifest(json.dumps({**_members(), "compatibility": [{"model": 7}]}))

    assert refused.value.message == str(refused.value)
