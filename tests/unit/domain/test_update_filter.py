"""Which updates a list has, and the names of files that never change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import Recall, UpdateFile, file_id_of, free_name
from shared.domain.updates.update_filter import (
    UpdateFilter,
    has_words,
    scan_result,
    scan_result_of,
    words_of,
    worst_result,
)
from tests.builders.deployments import an_update
from tests.unit.domain.builders import V1, V2

CLEAN, BAD = Verdict("clean", "e", "1", "2"), Verdict("malicious", "e", "1", "2")


def a_file(*verdicts: Verdict) -> UpdateFile:
    return UpdateFile(
        file_id="f1",
        filename="apply.sh",
        size_bytes=1,
        sha256="AA==",
        hashes={},
        verdicts=verdicts,
    )


UPDATE = an_update(friendly_name="Kiosk Two", files=(a_file(CLEAN),))
RECALLED = replace(UPDATE, recall=Recall("unsafe", "2024-05-01"))


@pytest.mark.parametrize(
    ("wanted", "has_it", "has_recalled"),
    [
        ({}, True, True),
        ({"is_deployable": True}, True, False),
        ({"is_deployable": False}, False, True),
        ({"provider": "acme"}, True, True),
        ({"provider": "other"}, False, False),
        ({"name": "kiosk"}, True, True),
        ({"name": "other"}, False, False),
        ({"friendly_name": "Kiosk Two"}, True, True),
        ({"friendly_name": "kiosk two"}, False, False),
        ({"scan_result": "Success"}, True, True),
        ({"scan_result": "Malicious"}, False, False),
        ({"is_recalled": True}, False, True),
        ({"words": ("two", "2.0")}, True, True),
        ({"words": ("two", "three")}, False, False),
        ({"provider": "acme", "name": "other"}, False, False),
    ],
)
def test_filter_has_what_meets_every_part(
    wanted: dict[str, Any], has_it: bool, has_recalled: bool
) -> None:
    assert UpdateFilter(**wanted).has(UPDATE) is has_it
    assert UpdateFilter(**wanted).has(RECALLED) is has_recalled


def test_part_of_others_is_not_deployable() -> None:
    assert not UpdateFilter(is_deployable=True).has(an_update(is_deployable=False))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [((), None), ((CLEAN,), "Success"), ((CLEAN, BAD), "Malicious"), ((BAD, CLEAN), "Malicious")],
)
def test_result_of_scans_is_the_worst(verdicts: tuple[Verdict, ...], expected: str | None) -> None:
    assert worst_result(verdicts) == expected
    assert scan_result_of(an_update(files=tuple(map(a_file, verdicts)))) == expected
    assert scan_result("unscannable") == "unscannable"


def test_words_are_pieces_in_any_case() -> None:
    described = replace(UPDATE, description="For GATES")

    assert words_of(" Kiosk  GATES ") == ("kiosk", "gates")
    assert words_of(None) == words_of("") == ()
    assert has_words(described, ("acme", "kiosk two", "gates"))
    assert not has_words(an_update(), ("none",))


def test_ids_of_files_are_those_of_every_release() -> None:
    assert file_id_of(V2, "apply.sh", "AA==") == "fb86a67defde22e3b"
    assert len({file_id_of(V2, "a", "b"), file_id_of(V1, "a", "b"), file_id_of(V2, "ab", "")}) == 3


def test_name_that_is_taken_is_numbered() -> None:
    taken = {"manifest.json"}

    names = [free_name("Manifest", ".json", taken) for _ in range(2)]

    assert names == ["Manifest-1.json", "Manifest-2.json"]
    assert taken == {"manifest.json", "manifest-1.json", "manifest-2.json"}
