"""Bounds of the import manifest: just within, just beyond, of another type."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.updates.import_manifest import parse_import_manifest
from tests.unit.imports.builders import a_delta_manifest, a_file, a_manifest, as_bytes, sha256_of

OTHER = {"provider": "acme", "name": "other", "version": "1.0"}


def inline(**changes: Any) -> dict[str, Any]:
    return {"handler": "microsoft/script:1", "files": ["apply.sh"], **changes}


def with_step(**changes: Any) -> dict[str, Any]:
    return a_manifest(instructions={"steps": [inline(**changes)]})


def with_reference(**changes: Any) -> dict[str, Any]:
    step = {"type": "reference", "updateId": OTHER, **changes}
    return a_manifest(instructions={"steps": [step]})


def with_file(**changes: Any) -> dict[str, Any]:
    return a_manifest(files=[{**a_file(), **changes}])


def with_related(**changes: Any) -> dict[str, Any]:
    document = a_delta_manifest()
    document["files"][0]["downloadHandler"] = {"id": "acme/delta:1"}
    document["files"][0]["relatedFiles"] = [{**a_file("delta"), **changes}]
    return document


def without(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return document


SHA = {"sha256": sha256_of("a")}


@pytest.mark.parametrize(
    "document",
    [
        a_manifest(description="x"),
        a_manifest(description="x" * 512),
        a_manifest(compatibility=[{"k": "x"}]),
        a_manifest(compatibility=[{f"{n}" * 32: "x" * 64 for n in range(5)}]),
        a_manifest(compatibility=[{"model": f"{n}"} for n in range(10)]),
        a_manifest(instructions={"steps": [inline()] * 10}),
        with_step(type="inline", description="x"),
        with_step(description="x" * 64),
        with_reference(description="x" * 64),
        a_manifest(
            files=[a_file(f"f{n}") for n in range(10)],
            instructions={"steps": [inline(files=[f"f{n}" for n in range(10)])]},
        ),
        with_file(sizeInBytes=1),
        with_file(sizeInBytes=2_147_483_648),
        with_file(hashes={**SHA, "x" * 10: "d" * 256}),
        with_file(hashes={**SHA, "x": "d"}),
        with_related(properties={f"{n}" * 64: n for n in range(5)}),
        with_related(properties={"k": ""}),
    ],
)
def test_manifest_is_taken_at_its_bounds(document: dict[str, Any]) -> None:
    assert parse_import_manifest(as_bytes(document)).document == document


def test_a_file_may_have_four_related_ones() -> None:
    document = with_related()
    document["files"][0]["relatedFiles"] = [a_file(f"r{n}") for n in range(4)]

    assert len(parse_import_manifest(as_bytes(document)).files[0].related_files) == 4


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (a_manifest(description=1), "/description"),
        (a_manifest(compatibility={}), "/compatibility"),
        (a_manifest(compatibility=["kiosk"]), "/compatibility/0"),
        (a_manifest(compatibility=[{"model": ""}]), "/compatibility/0/model"),
        (a_manifest(instructions={"steps": {}}), "/instructions/steps"),
        (a_manifest(instructions={}), "/instructions"),
        (a_manifest(instructions={"steps": ["step"]}), "/instructions/steps/0"),
        (a_manifest(files={}), "/files"),
        (a_manifest(files=["file"]), "/files/0"),
        (with_step(type="other"), "/instructions/steps/0/type"),
        (with_step(description=""), "/instructions/steps/0/description"),
        (with_step(handler=1), "/instructions/steps/0/handler"),
        (with_step(files="apply.sh"), "/instructions/steps/0/files"),
        (with_step(files=[1]), "/instructions/steps/0/files/0"),
        (with_step(files=[f"f{n}" for n in range(11)]), "/instructions/steps/0/files"),
        (without(with_step(), "instructions", "steps", 0, "files"), "/instructions/steps/0"),
        (with_step(also=1), "/instructions/steps/0"),
        (with_reference(description="x" * 65), "/instructions/steps/0/description"),
        (with_reference(description=""), "/instructions/steps/0/description"),
        (with_reference(also=1), "/instructions/steps/0"),
        (with_file(filename=1), "/files/0/filename"),
        (with_file(hashes=[]), "/files/0/hashes"),
        (with_file(hashes={"sha256": 1}), "/files/0/hashes/sha256"),
        (with_file(hashes={**SHA, "x": 1}), "/files/0/hashes/x"),
        (with_file(hashes={**SHA, "x": ""}), "/files/0/hashes/x"),
        (with_file(hashes={**SHA, "x": "d" * 257}), "/files/0/hashes/x"),
        (without(with_file(), "files", 0, "filename"), "/files/0"),
        (without(with_file(), "files", 0, "sizeInBytes"), "/files/0"),
        (without(with_file(), "files", 0, "hashes"), "/files/0"),
        (with_related(properties=[]), "/files/0/relatedFiles/0/properties"),
        (with_related(properties={"": 1}), "/files/0/relatedFiles/0/properties"),
        (with_related(properties={"k" * 65: 1}), "/files/0/relatedFiles/0/properties"),
        (
            without(with_related(), "files", 0, "relatedFiles", 0, "hashes"),
            "/files/0/relatedFiles/0",
        ),
        ({**with_related(), "files": [{**a_file(), "properties": 1}]}, "/files/0/properties"),
        ({**with_related(), "files": [{**a_file(), "relatedFiles": {}}]}, "/files/0/relatedFiles"),
        (
            {**with_related(), "files": [{**a_file(), "downloadHandler": "acme/delta:1"}]},
            "/files/0/downloadHandler",
        ),
        (
            {**with_related(), "files": [{**a_file(), "downloadHandler": {}}]},
            "/files/0/downloadHandler",
        ),
        (
            {**with_related(), "files": [{**a_file(), "downloadHandler": {"id": 1}}]},
            "/files/0/downloadHandler/id",
        ),
        (
            {**with_related(), "files": [{**a_file(), "downloadHandler": {"id": "delta"}}]},
            "/files/0/downloadHandler/id",
        ),
    ],
)
def test_manifest_is_refused_just_beyond_and_of_another_type(
    document: dict[str, Any], target: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_import_manifest(as_bytes(document))

    assert target in [detail.target for detail in refused.value.details]
