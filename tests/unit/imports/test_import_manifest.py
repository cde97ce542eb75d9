from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.updates.import_manifest import (
    MAX_MANIFEST_BYTES,
    InlineStep,
    ReferenceStep,
    parse_import_manifest,
)
from shared.domain.updates.update_id import UpdateId
from tests.unit.imports.builders import a_delta_manifest, a_file, a_manifest, as_bytes, sha256_of

OWN_ID = {"provider": "acme", "name": "kiosk-config", "version": "1.2"}
MAX_FILE = 2_147_483_648


def refusal(document: object, **limits: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        parse_import_manifest(as_bytes(document), **limits)
    assert refused.value.code == "CannotProcessImportManifest"
    return refused.value


def targets(document: object, **limits: Any) -> list[str | None]:
    return [detail.target for detail in refusal(document, **limits).details]


def inline(**changes: Any) -> dict[str, Any]:
    return {"handler": "microsoft/script:1", "files": ["apply.sh"], **changes}


def with_step(*steps: object) -> dict[str, Any]:
    return a_manifest(instructions={"steps": list(steps)})


def with_file(**changes: Any) -> dict[str, Any]:
    return a_manifest(files=[{**a_file(), **changes}])


def test_manifest_is_read_in_full_when_version_4() -> None:
    document = a_manifest(description="New settings", isDeployable=False, vendorField={"kept": [1]})

    manifest = parse_import_manifest(as_bytes(document))

    assert manifest.update_id == UpdateId("acme", "kiosk-config", "1.2")
    assert manifest.manifest_version == "4"
    assert (manifest.description, manifest.is_deployable) == ("New settings", False)
    assert manifest.compatibility == ({"manufacturer": "acme", "model": "kiosk"},)
    assert manifest.steps == (
        InlineStep("microsoft/script:1", ("apply.sh",), {"installedCriteria": "1.2"}, None),
    )
    assert [(file.filename, file.size_bytes, file.sha256) for file in manifest.files] == [
        ("apply.sh", 32, sha256_of("apply.sh"))
    ]
    assert manifest.created_date_time == "2024-01-15T08:00:00Z"
    assert manifest.document == document


def test_manifest_keeps_related_files_when_version_5() -> None:
    manifest = parse_import_manifest(as_bytes(a_delta_manifest()))

    (file,) = manifest.files
    assert manifest.manifest_version == "5"
    assert file.download_handler == "microsoft/delta:1"
    assert file.properties == {"role": "image"}
    assert file.related_files[0].properties["microsoft.sourceFileHashAlgorithm"] == "sha256"
    assert [each.filename for each in manifest.all_files] == ["apply.sh", "v1-v2.diff"]


@pytest.mark.parametrize("files", [{}, {"files": None}, {"files": []}])
def test_manifest_needs_no_files_when_all_steps_are_references(files: dict[str, Any]) -> None:
    document = with_step(
        {"type": "reference", "updateId": {**OWN_ID, "name": "sensor"}, "description": "Sensor"}
    )
    del document["files"]

    manifest = parse_import_manifest(as_bytes({**document, **files}))

    sensor = UpdateId("acme", "sensor", "1.2")
    assert manifest.steps == (ReferenceStep(sensor, "Sensor"),)
    assert manifest.references == (sensor,)
    assert manifest.is_deployable


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", "deeper than 32"),
        (b"[" * 200_000, "deeper than 32"),
        (b"[]", "must be an object"),
        (b'"text"', "must be an object"),
        (b" " * MAX_MANIFEST_BYTES + b"{}", "larger than 1048576"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_manifest_is_refused_when_not_strict_json(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        parse_import_manifest(data)

    assert refused.value.inner is not None
    assert refused.value.inner.code == "CannotParse"


def test_manifest_may_nest_to_the_limit() -> None:
    nested: object = "leaf"
    for _ in range(27):  # below document, instructions, steps, step and handlerProperties
        nested = [nested]

    parse_import_manifest(as_bytes(with_step(inline(handlerProperties={"deep": nested}))))

    assert "nests deeper" in str(refusal(with_step(inline(handlerProperties={"deep": [nested]}))))


@pytest.mark.parametrize("version", ["3.0", "2", "5.1", "4", ""])
def test_manifest_is_refused_as_unsupported_when_version_is_unknown(version: str) -> None:
    error = refusal(a_manifest(manifestVersion=version))

    assert error.inner is not None
    assert error.inner.code == "UnsupportedVersion"
    assert [detail.target for detail in error.details] == ["/manifestVersion"]


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (a_manifest(manifestVersion=4.0), "/manifestVersion"),
        (a_manifest(updateId="acme"), "/updateId"),
        (a_manifest(updateId={**OWN_ID, "version": "1"}), "/updateId/version"),
        (a_manifest(updateId={**OWN_ID, "extra": "1"}), "/updateId"),
        (a_manifest(description=""), "/description"),
        (a_manifest(description="x" * 513), "/description"),
        (a_manifest(isDeployable="yes"), "/isDeployable"),
        (a_manifest(compatibility=[]), "/compatibility"),
        (a_manifest(compatibility=[{"model": "a"}] * 11), "/compatibility"),
        (a_manifest(compatibility=[{}]), "/compatibility/0"),
        (a_manifest(compatibility=[{str(n): "x" for n in range(6)}]), "/compatibility/0"),
        (a_manifest(compatibility=[{"": "x"}]), "/compatibility/0"),
        (a_manifest(compatibility=[{"k" * 33: "x"}]), "/compatibility/0"),
        (a_manifest(compatibility=[{"model": "x" * 65}]), "/compatibility/0/model"),
        (a_manifest(compatibility=[{"model": 1}]), "/compatibility/0/model"),
        (a_manifest(instructions={"steps": []}), "/instructions/steps"),
        (a_manifest(instructions={"steps": [inline()], "also": 1}), "/instructions"),
        (a_manifest(instructions=[]), "/instructions"),
        (with_step(*[inline()] * 11), "/instructions/steps"),
        (with_step(inline(type="Inline")), "/instructions/steps/0/type"),
        (with_step(inline(handler="a/b")), "/instructions/steps/0/handler"),
        (with_step(inline(handler="/" * 100_000)), "/instructions/steps/0/handler"),
        (with_step(inline(handler="a/b:123456")), "/instructions/steps/0/handler"),
        (with_step(inline(handler="a/b:1\n")), "/instructions/steps/0/handler"),
        (with_step(inline(description="x" * 65)), "/instructions/steps/0/description"),
        (with_step(inline(handlerProperties=[])), "/instructions/steps/0/handlerProperties"),
        (with_step(inline(files=[])), "/instructions/steps/0/files"),
        (with_step(inline(files=["b.sh"])), "/instructions/steps/0/files/0"),
        (with_step(inline(files=["Apply.sh"])), "/instructions/steps/0/files/0"),
        (with_step(inline(files=["apply.sh"] * 2)), "/instructions/steps/0/files/1"),
        (with_step(inline(updateId=OWN_ID)), "/instructions/steps/0"),
        (with_step({"files": ["apply.sh"]}), "/instructions/steps/0"),
        (with_step({"type": "reference"}), "/instructions/steps/0"),
        (with_step({"type": "reference", "updateId": OWN_ID}), "/instructions/steps/0/updateId"),
        (
            with_step({"type": "reference", "updateId": {**OWN_ID, "version": "01.02"}}),
            "/instructions/steps/0/updateId",
        ),
        (
            with_step({"type": "reference", "updateId": {**OWN_ID, "name": ""}}),
            "/instructions/steps/0/updateId/name",
        ),
        (
            with_step({"type": "reference", "updateId": {**OWN_ID, "name": "x"}, "handler": "a"}),
            "/instructions/steps/0",
        ),
        (with_file(sizeInBytes=0), "/files/0/sizeInBytes"),
        (with_file(sizeInBytes=MAX_FILE + 1), "/files/0/sizeInBytes"),
        (with_file(sizeInBytes="32"), "/files/0/sizeInBytes"),
        (with_file(sizeInBytes=True), "/files/0/sizeInBytes"),
        (with_file(sizeInBytes=1.5), "/files/0/sizeInBytes"),
        (with_file(hashes={}), "/files/0/hashes"),
        (with_file(hashes={"sha256": sha256_of("a"), "a": "b", "c": "d"}), "/files/0/hashes"),
        (with_file(hashes={"sha256": sha256_of("a"), "x" * 11: "d"}), "/files/0/hashes"),
        (with_file(hashes={"sha256": "AAAA"}), "/files/0/hashes/sha256"),
        (with_file(hashes={"sha256": "A" * 43 + "*"}), "/files/0/hashes/sha256"),
        (with_file(hashes={"sha256": "A" * 42 + "B="}), "/files/0/hashes/sha256"),
        (with_file(hashes={"sha256": "A" * 42 + "=="}), "/files/0/hashes/sha256"),
        (with_file(hashes={"sha256": "ä" * 44}), "/files/0/hashes/sha256"),
        (a_manifest(files=[a_file(f"f{n}") for n in range(11)]), "/files"),
        (a_manifest(files=[a_file(), a_file("APPLY.SH")]), "/files/1/filename"),
        (with_file(properties={}), "/files/0/properties"),
        (with_file(downloadHandler={"id": "a/b:1"}), "/files/0/downloadHandler"),
        (with_file(relatedFiles=[]), "/files/0/relatedFiles"),
        (a_manifest(createdDateTime="15 January"), "/createdDateTime"),
        (a_manifest(createdDateTime="2024-01-15"), "/createdDateTime"),
        (a_manifest(createdDateTime="2024-02-30T08:00:00Z"), "/createdDateTime"),
        (a_manifest(createdDateTime=0), "/createdDateTime"),
    ],
)
def test_manifest_violation_is_found_at_its_pointer(document: dict[str, Any], target: str) -> None:
    assert target in targets(document)


@pytest.mark.parametrize(
    "field", ["manifestVersion", "updateId", "compatibility", "instructions", "createdDateTime"]
)
def test_manifest_is_refused_when_a_required_field_is_absent(field: str) -> None:
    document = a_manifest()
    del document[field]

    assert f"'{field}' is a required field" in str(refusal(document).details)


@pytest.mark.parametrize(
    "created",
    ["2020-10-02T22:18:04.9446744Z", "2024-01-15T08:00:00+01:00", "2024-01-15T08:00:00"],
)
def test_manifest_takes_every_usual_spelling_of_time(created: str) -> None:
    manifest = parse_import_manifest(as_bytes(a_manifest(createdDateTime=created)))

    assert manifest.created_date_time in (created, created + "Z")


def delta_with(**changes: Any) -> dict[str, Any]:
    document = a_delta_manifest()
    document["files"][0] = {**document["files"][0], **changes}
    return document


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (delta_with(downloadHandler=None), "/files/0/downloadHandler"),
        (delta_with(relatedFiles=[a_file(f"r{n}") for n in range(5)]), "/files/0/relatedFiles"),
        (
            delta_with(relatedFiles=[a_file("r")]),
            "/files/0/relatedFiles/0/properties/microsoft.sourceFileHash",
        ),
        (
            delta_with(relatedFiles=[a_file("r")]),
            "/files/0/relatedFiles/0/properties/microsoft.sourceFileHashAlgorithm",
        ),
        (
            delta_with(relatedFiles=[a_file("r", properties={str(n): "v" for n in range(6)})]),
            "/files/0/relatedFiles/0/properties",
        ),
        (
            delta_with(relatedFiles=[a_file("r", properties={"k": "v" * 257})]),
            "/files/0/relatedFiles/0/properties/k",
        ),
        (delta_with(relatedFiles=[a_file("apply.SH")]), "/files/0/relatedFiles/0/filename"),
        (
            delta_with(relatedFiles=[a_file("r", relatedFiles=[a_file("deeper")])]),
            "/files/0/relatedFiles/0/relatedFiles",
        ),
    ],
)
def test_manifest_violation_is_found_when_a_related_file_is_wrong(
    document: dict[str, Any], target: str
) -> None:
    assert target in targets(document)


def test_manifest_is_refused_when_related_files_have_no_download_handler() -> None:
    document = a_delta_manifest()
    del document["files"][0]["downloadHandler"]

    assert targets(document) == ["/files/0"]


def test_manifest_keeps_fields_that_the_contract_does_not_know() -> None:
    document = delta_with(downloadHandler={"id": "acme/delta:1", "new": 1}, new={"a": [2]})
    document["files"][0]["relatedFiles"][0]["new"] = 3
    document["new"] = 4

    assert parse_import_manifest(as_bytes(document)).document == document


def test_manifest_leaves_related_files_of_other_handlers_alone() -> None:
    document = delta_with(
        downloadHandler={"id": "acme/delta:1"}, relatedFiles=[a_file("acme.diff")]
    )

    assert parse_import_manifest(as_bytes(document)).files[0].download_handler == "acme/delta:1"


def test_manifest_is_refused_when_sizes_add_up_beyond_the_limit() -> None:
    files = [a_file(size=60), a_file("b", size=41)]

    assert targets(a_manifest(files=files), max_total_bytes=100) == ["/files"]
    parse_import_manifest(as_bytes(a_manifest(files=files)), max_total_bytes=101)


def test_manifest_counts_related_files_against_the_limit() -> None:
    assert targets(a_delta_manifest(), max_total_bytes=63) == ["/files"]


def test_manifest_lists_all_violations_at_once_when_many_are_broken() -> None:
    document = with_step(inline(files=["missing"]), inline(handler="x"))
    document["files"] = [a_file("../up")]
    del document["createdDateTime"]

    assert {*targets(document)} == {
        "",
        "/files/0/filename",
        "/instructions/steps/0/files/0",
        "/instructions/steps/1/files/0",
        "/instructions/steps/1/handler",
    }


def test_manifest_refusal_is_bounded_when_everything_is_wrong() -> None:
    error = refusal(a_manifest(compatibility=[{}] * 100_000, description="x" * 100_000))

    assert len(error.details) == 100
    assert len(error.message) < 2000


def test_manifest_refusal_does_not_repeat_values() -> None:
    error = refusal(a_manifest(description="CANARY" * 100))

    assert "CANARY" not in str([error, *error.details])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["updateId", "steps", "files", "type", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(a_delta_manifest())), json_values)
def test_manifest_of_any_shape_is_kept_whole_or_refused(field: str, value: object) -> None:
    document = {**a_delta_manifest(), field: value}
    try:
        manifest = parse_import_manifest(as_bytes(document))
    except InvalidInput as error:
        kept, refused = None, len(error.details)
    else:
        kept, refused = json.loads(as_bytes(manifest.document)), 0

    assert (kept == document) is (refused == 0)


@pytest.mark.parametrize("steps", [5, "one", {}, None, True, [5], ["one"], [None]])
def test_steps_that_are_no_list_of_steps_are_refused(steps: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_import_manifest(as_bytes(a_manifest(instructions={"steps": steps})))

    assert {detail.target for detail in refused.value.details} <= {
        "/instructions/steps",
        "/instructions/steps/0",
    }
