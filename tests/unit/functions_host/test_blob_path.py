from __future__ import annotations

import pytest

from local.cloud.functions_host.blob_path import parse_blob_pattern
from local.cloud.functions_host.errors import StartError


@pytest.mark.parametrize(
    ("pattern", "blob", "values"),
    [
        ("c/{a}/{b}/scan.json", "x/y/scan.json", {"a": "x", "b": "y"}),
        ("c/{a}/{b}/scan.json", "x/scan.json", None),
        ("c/{name}", "deep/er/file", {"name": "deep/er/file"}),
        ("c/{name}.{ext}", "a.b.json", {"name": "a.b", "ext": "json"}),
        ("c", "anything/at all", {}),
        ("c/a+b.txt", "a+b.txt", {}),
        ("c/a+b.txt", "aab.txt", None),
        ("c/{{x}}", "{x}", {}),
        ("other/{name}", "x", None),
    ],
)
def test_a_pattern_tells_its_blobs_and_their_parts(
    pattern: str, blob: str, values: dict[str, str] | None
) -> None:
    assert parse_blob_pattern(pattern).match("c", blob) == values


@pytest.mark.parametrize("pattern", ["", "c/{a", "c/a}", "c/{a}/{a}", "c/{1a}"])
def test_a_pattern_is_refused_when_its_braces_are_wrong(pattern: str) -> None:
    with pytest.raises(StartError, match="blob path"):
        parse_blob_pattern(pattern)
