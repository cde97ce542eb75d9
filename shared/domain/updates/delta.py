"""Deltas: what a device that has one version of an update needs to make the next one.

A delta is a related file of the file that it makes, under the agent's download handler
`opendu/zstd-delta:1` (docs/images.md): what `zstd -19 --long=27 --patch-from=OLD NEW` writes. Files
are paired by their names, or by their places in the steps, for names often hold versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.contract.manifest import UpdateManifest, parse_update_manifest
from shared.domain.errors import Conflict
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.delta_limits import LARGEST_BYTES, SMALLEST_SOURCE_BYTES
from shared.domain.updates.delta_outcome import DeltaOutcome
from shared.domain.updates.import_manifest_checks import (
    OWN_DELTA,
    SOURCE_HASH,
    SOURCE_HASH_ALGORITHM,
)
from shared.domain.updates.update import (
    GeneratedFile,
    Update,
    UpdateFile,
    file_id_of,
    free_name,
    hex_of,
    manifest_file_of,
    sealed,
)

MOST_SHARE = 0.6
"""Of the file that it makes: a delta that saves less than 40 % is not worth its keeping."""
MOST_RELATED = 4
"""Related files of a file, as in an import manifest."""
_MAX_STEM = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions of a file."""

    source: UpdateFile
    target: UpdateFile

    @property
    def most_bytes(self) -> int:
        """Size of the largest delta that is worth it."""
        return int(self.target.size_bytes * MOST_SHARE)


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta that was made: the ids of its target, the hash of its source, and the file itself.

    Hashes are standard base64.
    """

    target_id: str
    source_sha256: str
    filename: str
    size_bytes: int
    sha256: str

    def as_file(self, target: Update, verdicts: tuple[Verdict, ...] = ()) -> UpdateFile:
        """The related file."""
        return UpdateFile(
            file_id=file_id_of(target.update_id, self.filename, self.sha256),
            filename=self.filename,
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            hashes={"sha256": self.sha256},
            properties={SOURCE_HASH: self.source_sha256, SOURCE_HASH_ALGORITHM: "sha256"},
            verdicts=verdicts,
        )


def check_versions(source: Update, target: Update) -> None:
    """Raises Conflict where no delta can be made from one version to the other."""
    for update in (source, target):
        if update.is_being_deleted or update.recall is not None:
            what = "being deleted" if update.recall is None else "recalled"
            raise Conflict(f"Update '{update.update_id}' is {what}.", target="version")
    if source.update_id == target.update_id:
        raise Conflict("A delta needs two versions, not one.", target="sourceVersion")
    if target.manifest_version.startswith("4"):
        raise Conflict(
            f"The import manifest of '{target.update_id}' is of version 4.0; related files need "
            "5.0.",
            target="version",
        )


def pairs(source: Update, target: Update) -> tuple[list[Pair], list[DeltaOutcome]]:
    """The files to make deltas for, and why there is none for the others."""
    by_name = {file.filename: file for file in source.files}
    at_place = dict(_places(source))
    places = {name: place for place, name in reversed(list(_places(target)))}
    found, others = [], []
    for file in target.files:
        before = by_name.get(file.filename)
        if before is None and file.filename in places:
            before = by_name.get(at_place.get(places[file.filename], ""))
        reason = _obstacle(before, file)
        if before is None or reason:
            reason = reason or f"version {source.update_id.version} has no such file"
            others.append(DeltaOutcome(file.filename, file.size_bytes, None, reason))
        else:
            found.append(Pair(before, file))
    return found, others


def delta_name(pair: Pair, source: Update, taken: set[str]) -> str:
    """A name for the delta that no file of the update has."""
    stem = f"{pair.target.filename[:_MAX_STEM]}.from-{source.update_id.version}"
    return free_name(stem, ".zst", taken)


def with_deltas(
    update: Update, deltas: Sequence[Delta], verdicts: Mapping[str, tuple[Verdict, ...]]
) -> tuple[Update, tuple[GeneratedFile, ...]]:
    """The update with the deltas, not yet signed, and the file that its manifest may have become.

    What the manifest referred to before stays: devices may be on their way to it.

    Args:
        update: The update as it is now; deltas that it has already are left as they are.
        deltas: Made for its files.
        verdicts: On each, by its file name.

    Raises:
        Conflict: Its manifest would no longer fit into a twin, which some agents need.
    """
    added: dict[str, list[UpdateFile]] = {}
    for delta in deltas:
        made = delta.as_file(update, verdicts.get(delta.filename, ()))
        if made.file_id not in update.content:
            added.setdefault(delta.target_id, []).append(made)
    if not added:
        return update, ()
    files = tuple(
        replace(
            file,
            download_handler=OWN_DELTA,
            related_files=(*file.related_files, *added[file.file_id]),
        )
        if file.file_id in added
        else file
        for file in update.files
    )
    whole = _manifest(update, files)
    taken = {name.casefold() for name in update.file_names.values()}
    manifest, full, generated = sealed(whole, taken)
    if generated and update.detached_manifest is None:
        raise Conflict(
            f"With a delta the manifest of '{update.update_id}' takes more than the 4096 bytes of "
            "a twin's value, and agents in C cannot follow it.",
            code="ManifestTooLong",
        )
    new: list[UpdateFile | GeneratedFile] = [*generated]
    new += [made for some in added.values() for made in some]
    content = {made.file_id: hex_of(made.sha256) for made in new}
    names = {made.file_id: made.filename for made in new}
    changed = replace(
        update,
        files=files,
        manifest=manifest,
        detached_manifest=full if generated else None,
        content={**update.content, **content},
        file_names={**update.file_names, **names},
    )
    return changed, generated


def _manifest(update: Update, files: Sequence[UpdateFile]) -> UpdateManifest:
    """The whole manifest with other entries of the update's own files."""
    known = parse_update_manifest(update.detached_manifest or update.manifest)
    entries = {file.file_id: manifest_file_of(file) for file in files}
    return replace(known, files={**known.files, **entries})


def _obstacle(source: UpdateFile | None, target: UpdateFile) -> str | None:
    if source is None:
        return None
    if source.sha256 == target.sha256:
        return "it is the same in both versions"
    if max(source.size_bytes, target.size_bytes) > LARGEST_BYTES:
        return "it is larger than 128 MiB"
    if source.size_bytes < SMALLEST_SOURCE_BYTES:
        return "devices keep no source below 64 KiB"
    if target.download_handler not in (None, OWN_DELTA):
        return f"it has the download handler {target.download_handler}"
    known = [(related.properties or {}).get(SOURCE_HASH) for related in target.related_files]
    if source.sha256 in known:
        return "it has this delta already"
    if len(known) >= MOST_RELATED:
        return f"it has {MOST_RELATED} related files already"
    return None


def _places(update: Update) -> Iterator[tuple[tuple[int, str, int], str]]:
    """Where in the steps each file is: step, handler and position."""
    for index, step in enumerate(update.steps):
        for position, name in enumerate(step.get("files") or ()):
            yield (index, str(step.get("handler")), position), name
