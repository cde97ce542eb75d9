"""Import manifests as tools and people have written them; `payload.bin` is the file of each."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.contract.manifest import parse_update_manifest
from shared.domain.errors import InvalidInput
from shared.domain.fleet.device_class import is_compatible
from shared.domain.updates.import_manifest import ImportManifest, parse_import_manifest
from shared.domain.updates.update import prepare

CASES = Path(__file__).parents[2] / "data" / "cases"


def read(name: str) -> ImportManifest:
    return parse_import_manifest((CASES / f"{name}.importmanifest.json").read_bytes())


def with_property(value: Any) -> bytes:
    document = json.loads((CASES / "related-properties.importmanifest.json").read_bytes())
    document["files"][0]["relatedFiles"][0]["properties"] = {"value": value}
    return json.dumps(document).encode()


def test_byte_order_mark_is_no_content() -> None:
    assert str(read("bom").update_id) == "fabrikam/bom/1.0"


def test_byte_order_mark_does_not_hide_an_unsupported_version() -> None:
    with pytest.raises(InvalidInput) as refused:
        read("bom-version-2")

    assert refused.value.inner is not None
    assert refused.value.inner.code == "UnsupportedVersion"


def test_time_without_offset_is_utc_and_never_passed_on_without() -> None:
    made = datetime.fromisoformat(read("no-offset").created_date_time)

    assert made == datetime.fromisoformat("2026-05-06T07:08:09.123456+00:00")


def test_time_with_an_offset_stays_as_it_was_written() -> None:
    assert read("bom").created_date_time == "2026-05-06T07:08:09Z"


def test_properties_of_related_files_reach_the_device_untouched() -> None:
    source = read("related-properties")
    sent = parse_update_manifest(prepare(source, [], {}).manifest)

    (file,) = sent.files.values()
    (related,) = file.related_files.values()
    assert related.properties == {"text": "", "number": 2, "object": {"a": "b"}, "flag": True}


@pytest.mark.parametrize("value", ["x" * 256, {"a": "x" * 248}, None, [], 1.5])
def test_property_of_a_related_file_is_any_json_of_256_characters(value: Any) -> None:
    (file,) = parse_import_manifest(with_property(value)).files

    assert file.related_files[0].properties == {"value": value}


@pytest.mark.parametrize("value", ["x" * 257, {"a": "x" * 249}])
def test_longer_property_of_a_related_file_is_refused_where_it_is(value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_import_manifest(with_property(value))

    (detail,) = refused.value.details
    assert detail.target == "/files/0/relatedFiles/0/properties/value"
    assert "256" in detail.message


def test_old_property_names_fit_a_device_that_reports_the_new_ones() -> None:
    compatibility = read("old-property-names").compatibility

    assert is_compatible(compatibility, {"manufacturer": "fabrikam", "model": "names"})
    assert not is_compatible(compatibility, {"manufacturer": "fabrikam", "model": "other"})
