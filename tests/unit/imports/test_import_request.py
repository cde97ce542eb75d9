from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.updates.import_item import ImportItem, match_files
from shared.domain.updates.import_manifest import parse_import_manifest
from shared.http.import_request import parse_import_request
from tests.unit.imports.builders import a_delta_manifest, a_request_item, as_bytes, sha256_of


def refused_targets(body: object) -> list[str | None]:
    with pytest.raises(InvalidInput) as refused:
        parse_import_request(body)
    assert "CANARY" not in str([refused.value, *refused.value.details])
    return [detail.target for detail in refused.value.details]


def with_manifest(**changes: Any) -> dict[str, Any]:
    manifest = a_request_item()["importManifest"]
    return a_request_item(importManifest={**manifest, **changes})


def an_item(*filenames: str) -> ImportItem:
    files = tuple((name, f"https://acme.example/{name}?sig=CANARY") for name in filenames)
    return ImportItem(
        manifest_url="https://acme.example/m?sig=CANARY",
        manifest_size_bytes=5,
        manifest_sha256=sha256_of("m"),
        friendly_name=None,
        files=files,
    )


def test_import_request_is_read() -> None:
    (item,) = parse_import_request([a_request_item()])

    assert item == ImportItem(
        manifest_url="https://acme.example/m.json?sig=CANARY",
        manifest_size_bytes=512,
        manifest_sha256=sha256_of("manifest"),
        friendly_name="Kiosk config 1.2",
        files=(("apply.sh", "https://acme.example/apply.sh?sig=CANARY"),),
    )


def test_import_request_needs_neither_files_nor_friendly_name() -> None:
    bare = {"importManifest": a_request_item()["importManifest"]}

    (item,) = parse_import_request([bare])

    assert (item.friendly_name, item.files) == (None, ())


def test_import_request_takes_eleven_items() -> None:
    assert len(parse_import_request([a_request_item()] * 11)) == 11
    assert refused_targets([a_request_item()] * 12) == [""]


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (None, ""),
        ({}, ""),
        ([], ""),
        ([3], "/0"),
        ([{}], "/0"),
        ([a_request_item(friendlyName="")], "/0/friendlyName"),
        ([a_request_item(friendlyName="x" * 513)], "/0/friendlyName"),
        ([a_request_item(files={})], "/0/files"),
        ([a_request_item(files=[{"filename": "a"}])], "/0/files/0"),
        ([a_request_item(files=[{"filename": "../a", "url": "u"}])], "/0/files/0/filename"),
        ([a_request_item(files=[{"filename": "a", "url": ""}])], "/0/files/0/url"),
        (
            [a_request_item(files=[{"filename": name, "url": "u"} for name in ("a", "A")])],
            "/0/files/1/filename",
        ),
        ([with_manifest(url="https://CANARY/" + "x" * 9000)], "/0/importManifest/url"),
        ([with_manifest(url=["CANARY"])], "/0/importManifest/url"),
        ([with_manifest(sizeInBytes=0)], "/0/importManifest/sizeInBytes"),
        ([with_manifest(sizeInBytes=1_048_577)], "/0/importManifest/sizeInBytes"),
        ([with_manifest(hashes={"sha256": "CANARY"})], "/0/importManifest/hashes/sha256"),
    ],
)
def test_import_request_violation_is_found_at_its_pointer(body: object, target: str) -> None:
    assert refused_targets(body) == [target]


def test_import_request_lists_all_violations_at_once() -> None:
    assert refused_targets([{}, with_manifest(sizeInBytes=-1), 7]) == [
        "/0",
        "/1/importManifest/sizeInBytes",
        "/2",
    ]


def test_import_item_hides_its_urls_when_printed() -> None:
    assert "CANARY" not in repr(an_item("apply.sh"))


def test_match_files_returns_the_url_of_each_file() -> None:
    manifest = parse_import_manifest(as_bytes(a_delta_manifest()))

    urls = match_files(manifest, an_item("apply.sh", "v1-v2.diff"))

    assert urls == {
        "apply.sh": "https://acme.example/apply.sh?sig=CANARY",
        "v1-v2.diff": "https://acme.example/v1-v2.diff?sig=CANARY",
    }


def test_match_files_lists_what_is_missing_and_what_is_not_needed() -> None:
    manifest = parse_import_manifest(as_bytes(a_delta_manifest()))

    with pytest.raises(InvalidInput) as refused:
        match_files(manifest, an_item("apply.sh", "V1-v2.diff"))

    assert [(each.code, each.target) for each in refused.value.details] == [
        ("FileMissing", "v1-v2.diff"),
        ("FileNotNeeded", "V1-v2.diff"),
    ]
    assert "CANARY" not in str([refused.value, *refused.value.details])


def test_file_name_is_read_in_both_spellings() -> None:
    url = "https://acme.example/apply.sh"
    (item,) = parse_import_request([a_request_item(files=[{"fileName": "apply.sh", "url": url}])])

    assert item.files == (("apply.sh", url),)


def test_friendly_name_may_be_null() -> None:
    (item,) = parse_import_request([a_request_item(friendlyName=None)])

    assert item.friendly_name is None
