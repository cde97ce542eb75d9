"""Between which files a delta is made, and what it changes of an update."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.contract.manifest import ManifestUpdateId, UpdateManifest, parse_update_manifest
from shared.domain.errors import Conflict
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.delta import (
    Delta,
    Pair,
    check_versions,
    delta_name,
    pairs,
    with_deltas,
)
from shared.domain.updates.delta_limits import LARGEST_BYTES, SMALLEST_SOURCE_BYTES
from shared.domain.updates.delta_outcome import DeltaOutcome
from shared.domain.updates.update import Recall, Update, UpdateFile, file_id_of, manifest_file_of
from tests.builders.deployments import an_update
from tests.unit.domain.builders import V1, V2
from tests.unit.imports.builders import sha256_of

SIZE = 1_000_000
CLEAN = (Verdict("clean", "e", "1", "2"),)


def a_file(name: str, content: str = "", **changes: Any) -> UpdateFile:
    sha256 = sha256_of(content or name)
    given: dict[str, Any] = {
        "file_id": f"f-{name}",
        "filename": name,
        "size_bytes": SIZE,
        "sha256": sha256,
        "hashes": {"sha256": sha256},
    }
    return UpdateFile(**{**given, **changes})


def a_step(*names: str, handler: str = "h") -> dict[str, Any]:
    return {"handler": handler, "files": list(names)}


OLD = an_update(V1, files=(a_file("image", "old"),))
NEW = an_update(V2, files=(a_file("image", "new"),), manifest_version="5.0")


@pytest.mark.parametrize(
    ("source", "target", "message", "place"),
    [
        (replace(OLD, recall=Recall("x", "t")), NEW, f"Update '{V1}' is recalled.", "version"),
        (OLD, replace(NEW, is_being_deleted=True), f"Update '{V2}' is being deleted.", "version"),
        (NEW, NEW, "A delta needs two versions, not one.", "sourceVersion"),
        (OLD, replace(NEW, manifest_version="4.0"), f"The import manifest of '{V2}'", "version"),
        (OLD, replace(NEW, manifest_version="4"), f"The import manifest of '{V2}'", "version"),
    ],
)
def test_delta_is_between_two_versions_in_use(
    source: Update, target: Update, message: str, place: str
) -> None:
    with pytest.raises(Conflict) as refused:
        check_versions(source, target)

    assert refused.value.message.startswith(message)
    assert refused.value.target == place
    check_versions(replace(OLD, manifest_version="4.0"), NEW)


def found(old: UpdateFile, new: UpdateFile, **steps: Any) -> str | None:
    """Why there is no delta between two files; None if there is one."""
    made, others = pairs(replace(OLD, files=(old,)), replace(NEW, files=(new,), **steps))
    if made:
        assert made == [Pair(old, new)]
        return None
    (outcome,) = others
    assert outcome == DeltaOutcome(new.filename, new.size_bytes, None, outcome.reason)
    return outcome.reason


def known(*sources: str, handler: str | None = "opendu/zstd-delta:1") -> UpdateFile:
    related = tuple(
        a_file(f"d{index}", properties={"microsoft.sourceFileHash": sha256_of(source)})
        for index, source in enumerate(sources)
    )
    return a_file("image", "new", related_files=related, download_handler=handler)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (a_file("image", "old"), a_file("image", "new"), None),
        (a_file("other"), a_file("image"), "version 1.0 has no such file"),
        (a_file("image"), a_file("image"), "it is the same in both versions"),
        (
            a_file("image", "old", size_bytes=LARGEST_BYTES + 1),
            a_file("image", "new"),
            "it is larger than 128 MiB",
        ),
        (
            a_file("image", "old"),
            a_file("image", "new", size_bytes=LARGEST_BYTES + 1),
            "it is larger than 128 MiB",
        ),
        (
            a_file("image", "old", size_bytes=LARGEST_BYTES),
            a_file("image", "new", size_bytes=LARGEST_BYTES),
            None,
        ),
        (
            a_file("image", "old", size_bytes=SMALLEST_SOURCE_BYTES - 1),
            a_file("image", "new"),
            "devices keep no source below 64 KiB",
        ),
        (a_file("image", "old", size_bytes=SMALLEST_SOURCE_BYTES), a_file("image", "new"), None),
        (a_file("image", "old"), known(handler="x/y:1"), "it has the download handler x/y:1"),
        (a_file("image", "old"), known("a", "b", "c"), None),
        (a_file("image", "old"), known("a", "b", "old"), "it has this delta already"),
        (a_file("image", "old"), known("a", "b", "c", "d"), "it has 4 related files already"),
        (a_file("image", "old"), known(handler=None), None),
    ],
)
def test_delta_is_made_where_it_helps(old: UpdateFile, new: UpdateFile, reason: str | None) -> None:
    assert found(old, new) == reason


def test_related_file_without_properties_is_no_delta() -> None:
    bare = a_file("image", "new", related_files=(a_file("d"),))

    assert found(a_file("image", "old"), bare) is None


@pytest.mark.parametrize(
    ("before", "after", "is_paired"),
    [
        ([a_step("image-1")], [a_step("image-2")], True),
        ([a_step("image-1")], [a_step("image-2", handler="other")], False),
        ([a_step("x", "image-1")], [a_step("image-2")], False),
        ([a_step("x"), a_step("image-1")], [a_step("image-2")], False),
        ([a_step("x"), a_step("y", "image-1")], [a_step("x"), a_step("y", "image-2")], True),
        ([{"type": "reference"}], [a_step("image-2")], False),
        # by the first place where it is
        ([a_step("image-1"), a_step("x")], [a_step("image-2"), a_step("image-2")], True),
        ([a_step("x"), a_step("image-1")], [a_step("image-2"), a_step("image-2")], False),
    ],
)
def test_file_of_another_name_is_paired_by_its_place_in_the_steps(
    before: list[dict[str, Any]], after: list[dict[str, Any]], is_paired: bool
) -> None:
    old, new = a_file("image-1"), a_file("image-2")
    source = replace(OLD, files=(old,), steps=tuple(before))
    target = replace(NEW, files=(new,), steps=tuple(after))

    made, others = pairs(source, target)

    assert made == ([Pair(old, new)] if is_paired else [])
    assert len(others) == (0 if is_paired else 1)


def test_name_comes_before_place() -> None:
    files = (a_file("image", "old"), a_file("other"))
    source = replace(OLD, files=files, steps=(a_step("other"),))
    target = replace(NEW, steps=(a_step("image"),))

    assert pairs(source, target)[0] == [Pair(files[0], NEW.files[0])]


def test_delta_has_a_name_of_its_own_and_saves_enough() -> None:
    pair = Pair(OLD.files[0], a_file("n" * 210, size_bytes=1001))
    taken: set[str] = set()

    assert delta_name(pair, OLD, taken) == "n" * 200 + ".from-1.0.zst"
    assert delta_name(pair, OLD, taken) == "n" * 200 + ".from-1.0-1.zst"
    assert pair.most_bytes == 600


DELTA = Delta(
    target_id="f-image",
    source_sha256=sha256_of("old"),
    filename="image.from-1.0.zst",
    size_bytes=77,
    sha256=sha256_of("delta"),
)


def an_update_with_manifest(padding: int = 0, **changes: Any) -> Update:
    whole = UpdateManifest(
        update_id=ManifestUpdateId("acme", "kiosk", "2.0"),
        compatibility=({"model": "x" * padding},),
        steps=(),
        files={file.file_id: manifest_file_of(file) for file in NEW.files},
        detached_manifest_file_id=None,
    )
    text = whole.to_json().replace('"steps":[]', '"steps":[{"handler":"h","handlerProperties":{}}]')
    return replace(NEW, manifest=text, content={"f-image": "00"}, **changes)


def test_delta_becomes_a_related_file_of_its_target() -> None:
    update = an_update_with_manifest(file_names={"f-image": "image"})
    file_id = file_id_of(V2, DELTA.filename, DELTA.sha256)

    changed, generated = with_deltas(update, [DELTA], {DELTA.filename: CLEAN})

    (file,) = changed.files
    (related,) = file.related_files
    assert generated == ()
    assert file.download_handler == "opendu/zstd-delta:1"
    assert related == UpdateFile(
        file_id=file_id,
        filename="image.from-1.0.zst",
        size_bytes=77,
        sha256=DELTA.sha256,
        hashes={"sha256": DELTA.sha256},
        properties={
            "microsoft.sourceFileHash": DELTA.source_sha256,
            "microsoft.sourceFileHashAlgorithm": "sha256",
        },
        verdicts=CLEAN,
    )
    assert changed.content.keys() == {"f-image", file_id}
    assert changed.file_names == {"f-image": "image", file_id: "image.from-1.0.zst"}
    assert changed.detached_manifest is None
    sent = parse_update_manifest(changed.manifest)
    assert sent.files["f-image"].related_files.keys() == {file_id}
    assert with_deltas(changed, [DELTA], {}) == (changed, ())
    assert DELTA.as_file(update).verdicts == ()


def test_manifest_that_a_delta_makes_too_long_is_refused_or_stays_detached() -> None:
    long = an_update_with_manifest(3700)

    with pytest.raises(Conflict, match="takes more than the 4096 bytes") as refused:
        with_deltas(long, [DELTA], {})
    assert refused.value.code == "ManifestTooLong"

    detached = replace(long, detached_manifest=long.manifest, manifest="short")
    changed, (document,) = with_deltas(detached, [DELTA], {})
    assert document.file_id in changed.content
    assert changed.file_names[document.file_id] == document.filename
    assert changed.detached_manifest is not None
    assert "image.from-1.0.zst" in changed.detached_manifest
    assert parse_update_manifest(changed.manifest).detached_manifest_file_id == document.file_id
