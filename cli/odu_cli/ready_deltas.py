"""Deltas that a publisher has made already: `odu manifest init --delta FILE=OLD,DELTA`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from odu_cli import arguments
from odu_cli.manifest_builder import file_entry, measure
from shared.domain.updates.delta_limits import LARGEST_BYTES, SMALLEST_SOURCE_BYTES
from shared.domain.updates.import_manifest_checks import (
    OWN_DELTA,
    SOURCE_HASH,
    SOURCE_HASH_ALGORITHM,
)


@dataclass(frozen=True, slots=True)
class ReadyDelta:
    """`delta` makes the file named `target` from `source`, which devices have already."""

    target: str
    source: Path
    delta: Path


def ready_delta(text: str) -> ReadyDelta:
    """Read one, written FILE=OLD,DELTA.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    target, places = arguments.pair(text)
    source, separator, delta = places.rpartition(",")
    if not source or not separator or not delta:
        raise typer.BadParameter(f"{text!r} is not written FILE=OLD,DELTA")
    return ReadyDelta(Path(target).name, Path(source), Path(delta))


def with_deltas(
    entries: Sequence[Mapping[str, Any]], deltas: Sequence[ReadyDelta], handler: str = OWN_DELTA
) -> list[dict[str, Any]]:
    """The files of a manifest, with the deltas that make them from older ones.

    Args:
        entries: The files.
        deltas: Each of one of them.
        handler: Who applies the deltas on the device.

    Raises:
        typer.BadParameter: A delta is of no file, or no device could use it.
        OSError: A file cannot be read.
    """
    found = {str(entry["filename"]): dict(entry) for entry in entries}
    for each in deltas:
        target = found.get(each.target)
        if target is None:
            raise typer.BadParameter(f"--delta names {each.target!r}, which is none of the files")
        size, sha256 = measure(each.source)
        _check(each, size, target, sha256, handler)
        related = file_entry(each.delta.name, each.delta)
        related["properties"] = {SOURCE_HASH: sha256, SOURCE_HASH_ALGORITHM: "sha256"}
        target.setdefault("relatedFiles", []).append(related)
        target["downloadHandler"] = {"id": handler}
    return list(found.values())


def _check(
    each: ReadyDelta, size: int, target: Mapping[str, Any], sha256: str, handler: str
) -> None:
    if sha256 == target["hashes"]["sha256"]:
        raise typer.BadParameter(f"{each.source} and {each.target!r} are the same file")
    if handler != OWN_DELTA:
        return
    if size < SMALLEST_SOURCE_BYTES:
        raise typer.BadParameter(
            f"{each.source} has {size} bytes: devices keep no files below {SMALLEST_SOURCE_BYTES} "
            "for deltas"
        )
    if max(size, target["sizeInBytes"]) > LARGEST_BYTES:
        raise typer.BadParameter(
            f"{each.source} and {each.target!r} may have {LARGEST_BYTES} bytes for a delta of "
            f"{OWN_DELTA}"
        )
