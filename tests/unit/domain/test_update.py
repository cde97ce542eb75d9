from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from shared.contract.encoding import b64
from shared.contract.manifest import parse_detached, parse_update_manifest
from shared.domain.errors import InvalidInput
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.import_manifest import ImportManifest, parse_import_manifest
from shared.domain.updates.update import (
    MAX_TWIN_STRING_BYTES,
    PreparedUpdate,
    Update,
    hex_of,
    prepare,
)
from tests.unit.imports.builders import a_delta_manifest, a_file, a_manifest, as_bytes

CLEAN = Verdict("clean", "engine", "1", "2")
CHILD_ID = {"provider": "acme", "name": "sensor", "version": "1.0"}


def read(document: dict[str, Any]) -> ImportManifest:
    return parse_import_manifest(as_bytes(document))


def prepared(document: dict[str, Any], children: Sequence[Update] = ()) -> PreparedUpdate:
    manifest = read(document)
    return prepare(manifest, children, {entry.filename: (CLEAN,) for entry in manifest.all_files})


def published(document: dict[str, Any]) -> Update:
    manifest, ready = read(document), prepared(document)
    return Update(
        update_id=manifest.update_id,
        is_deployable=False,
        compatibility=manifest.compatibility,
        manifest_version="4.0",
        steps=(),
        files=ready.files,
        created_at="",
        imported_at="",
        operation_id="o",
        manifest=ready.manifest,
        signature="s",
        content=ready.content,
        file_names=ready.file_names,
        detached_manifest=ready.full_manifest if ready.full_manifest != ready.manifest else None,
    )


def a_parent() -> dict[str, Any]:
    return a_manifest(
        instructions={
            "steps": [
                {
                    "handler": "microsoft/script:1",
                    "files": ["apply.sh"],
                    "handlerProperties": {"installedCriteria": "1.2"},
                },
                {"type": "reference", "updateId": CHILD_ID},
            ]
        }
    )


def a_child(**changes: Any) -> dict[str, Any]:
    inline = {"handler": "microsoft/script:1", "files": ["sensor.bin"], "handlerProperties": {}}
    return a_manifest(
        updateId=CHILD_ID,
        files=[a_file("sensor.bin")],
        instructions={"steps": [inline]},
        **changes,
    )


def a_long_manifest(**changes: Any) -> dict[str, Any]:
    files = [a_file(f"{'long-name-' * 12}{at}.bin") for at in range(10)]
    step = {
        "handler": "microsoft/script:1",
        "files": [file["filename"] for file in files],
        "handlerProperties": {"arguments": "x" * 400},
    }
    return a_manifest(files=files, instructions={"steps": [step] * 3}, **changes)


def test_update_manifest_says_what_the_import_manifest_said() -> None:
    ready = prepared(a_manifest())

    manifest = parse_update_manifest(ready.manifest)

    (file_id,) = manifest.files
    assert manifest.update_id.to_dict() == a_manifest()["updateId"]
    assert manifest.compatibility == ({"manufacturer": "acme", "model": "kiosk"},)
    assert [(step.handler, step.files) for step in manifest.steps] == [
        ("microsoft/script:1", (file_id,))
    ]
    assert manifest.steps[0].installed_criteria == "1.2"
    assert manifest.files[file_id].file_name == "apply.sh"
    assert manifest.files[file_id].size_in_bytes == 32
    assert manifest.manifest_version == "4"
    assert ready.manifest == ready.full_manifest
    assert ready.content == {file_id: hex_of(a_file()["hashes"]["sha256"])}
    assert ready.file_names == {file_id: "apply.sh"}
    assert ready.files[0].verdicts == (CLEAN,)


def test_prepared_update_is_the_same_when_made_again() -> None:
    assert prepared(a_long_manifest()) == prepared(a_long_manifest())


def test_file_ids_differ_between_versions_and_files() -> None:
    later = {**a_manifest()["updateId"], "version": "1.3"}
    first, second = prepared(a_manifest()), prepared(a_manifest(updateId=later))
    many = prepared(a_long_manifest())

    assert first.content.keys().isdisjoint(second.content.keys())
    assert len(many.content) == 11
    assert all(len(file_id) == 17 and file_id.startswith("f") for file_id in many.content)


def test_first_hash_is_the_sha256_that_was_verified() -> None:
    file = a_file()
    file["hashes"] = {"sha512": b64(b"x" * 64), **file["hashes"]}

    manifest = parse_update_manifest(prepared(a_manifest(files=[file])).manifest)

    (entry,) = manifest.files.values()
    assert next(iter(entry.hashes)) == "sha256"
    assert entry.hashes["sha256"] == file["hashes"]["sha256"]


def test_related_files_go_with_their_file() -> None:
    ready = prepared(a_delta_manifest())

    (file,) = parse_update_manifest(ready.manifest).files.values()

    assert file.download_handler == "microsoft/delta:1"
    (delta,) = file.related_files.values()
    assert delta.file_name == "v1-v2.diff"
    assert delta.properties is not None
    assert sorted(ready.file_names.values()) == ["apply.sh", "v1-v2.diff"]
    assert set(ready.content) == {ready.files[0].file_id, *file.related_files}


def test_long_manifest_travels_detached() -> None:
    ready = prepared(a_long_manifest())

    short = parse_update_manifest(ready.manifest)

    (document,) = ready.generated
    assert len(ready.full_manifest.encode()) > MAX_TWIN_STRING_BYTES
    assert len(ready.manifest.encode()) <= MAX_TWIN_STRING_BYTES
    assert short.detached_manifest_file_id == document.file_id
    assert list(short.files) == [document.file_id]
    assert short.files[document.file_id].hashes == {"sha256": document.sha256}
    assert short.files[document.file_id].size_in_bytes == len(document.content)
    assert b64(hashlib.sha256(document.content).digest()) == document.sha256
    assert parse_detached(document.content.decode()) == ready.full_manifest
    assert len(parse_update_manifest(ready.full_manifest).files) == 10
    assert document.file_id in ready.content


@pytest.mark.parametrize(("extra", "is_detached"), [(0, False), (1, True)])
def test_manifest_is_detached_only_above_the_longest_twin_string(
    extra: int, is_detached: bool
) -> None:
    def ready_with(padding: int) -> PreparedUpdate:
        document = a_manifest()
        document["instructions"]["steps"][0]["handlerProperties"] = {"arguments": "x" * padding}
        return prepared(document)

    room = MAX_TWIN_STRING_BYTES - len(ready_with(0).full_manifest.encode())

    ready = ready_with(room + extra)

    assert len(ready.full_manifest.encode()) == MAX_TWIN_STRING_BYTES + extra
    assert (ready.manifest != ready.full_manifest) is is_detached


def test_parent_brings_the_files_of_its_child() -> None:
    child = published(a_child())

    ready = prepared(a_parent(), [child])

    manifest = parse_update_manifest(ready.manifest)
    reference = manifest.steps[1].detached_manifest_file_id
    assert reference is not None
    (document,) = ready.generated
    assert document.file_id == reference
    assert manifest.files[reference].file_name == "acme.sensor.1.0.updatemanifest.json"
    assert parse_detached(document.content.decode()) == child.manifest
    assert child.content.items() <= ready.content.items()
    assert ready.file_names.keys() == ready.content.keys()
    assert len(ready.content) == 3


def test_parent_carries_the_whole_manifest_of_a_child_whose_own_is_detached() -> None:
    files = [a_file(f"{'long-name-' * 12}{at}.bin") for at in range(10)]
    step = {
        "handler": "microsoft/script:1",
        "files": [file["filename"] for file in files],
        "handlerProperties": {"arguments": "x" * 3000},
    }
    child = published(a_manifest(updateId=CHILD_ID, files=files, instructions={"steps": [step]}))

    ready = prepared(a_parent(), [child])

    assert child.detached_manifest is not None
    carried = parse_detached(ready.generated[0].content.decode())
    assert carried == child.detached_manifest
    assert parse_update_manifest(carried).files.keys() <= ready.content.keys()


def test_generated_child_manifest_never_bears_the_name_of_a_publishers_file() -> None:
    taken = "ACME.sensor.1.0.updatemanifest.json"
    parent = a_parent()
    parent["files"].append(a_file(taken))
    parent["instructions"]["steps"][0]["files"].append(taken)

    ready = prepared(parent, [published(a_child())])

    names = [name.casefold() for name in ready.file_names.values()]
    assert len(set(names)) == len(names)
    (generated,) = (item for item in ready.generated if "updatemanifest" in item.filename)
    assert generated.filename == "acme.sensor.1.0.updatemanifest-1.json"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("acme.sensor.1.0.updatemanifest.json.", id="a trailing dot"),
        pytest.param("acme.sensor.1.0.updatemanifest.json .", id="a dot after a blank"),
        pytest.param("acme.sen\u0303sor.1.0.updatemanifest.json", id="not in NFC"),
        pytest.param("\uff41cme.sensor.1.0.updatemanifest.json", id="looks alike"),
    ],
)
def test_name_that_nfc_or_trailing_dots_make_another_is_refused(name: str) -> None:
    parent = a_parent()
    parent["files"].append(a_file(name))
    parent["instructions"]["steps"][0]["files"].append(name)

    with pytest.raises(InvalidInput) as refused:
        prepared(parent, [published(a_child())])

    assert {item.target for item in refused.value.details} == {"/files/1/filename"}


def test_children_whose_ids_are_written_alike_have_manifests_of_different_names() -> None:
    ids = [
        {"provider": provider, "name": name, "version": "1.0"}
        for provider, name in (
            ("acme", "big.sensor"),
            ("acme.big", "sensor"),
            ("ACME", "big.sensor"),
        )
    ]
    parent = a_parent()
    parent["instructions"]["steps"] = [{"type": "reference", "updateId": each} for each in ids]
    del parent["files"]

    ready = prepared(parent, [published({**a_child(), "updateId": each}) for each in ids])

    names = [item.filename.casefold() for item in ready.generated]
    assert len(set(names)) == len(names) == len(ids)
