"""Import manifests on this machine with their files, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused, as_error
from odu_cli.handler_rules import handler_violations
from odu_cli.manifest_builder import measure
from shared.domain.errors import InvalidInput
from shared.domain.updates.import_manifest import (
    MAX_MANIFEST_BYTES,
    ImportManifest,
    parse_import_manifest,
)
from shared.domain.updates.schema_check import violation
from shared.topology import IMPORT_MANIFEST_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shared.domain.updates.import_manifest import FileEntry, RelatedFile


@dataclass(frozen=True, slots=True)
class Package:
    """A valid import manifest, as bytes and as values, and where its files are."""

    name: str
    data: bytes
    manifest: ImportManifest
    files: Mapping[str, Path]


def load_package(
    path: Path,
    folder: Path | None = None,
    *,
    with_files: bool = True,
    with_handlers: bool = False,
) -> Package:
    """Read a manifest and check it and its files.

    Args:
        path: The manifest.
        folder: Where its files are; beside it if None.
        with_files: Whether to check the files.
        with_handlers: Whether to check what the standard handlers require, as the service does not.

    Raises:
        Refused: With every violation.
        OSError: The manifest cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(MAX_MANIFEST_BYTES + 1)
    manifest = parse(data, str(path))
    if with_handlers:
        check_handlers(manifest, str(path))
    place = folder or path.parent
    if with_files:
        found = list(_file_violations(manifest, place))
        if found:
            raise _refused(
                f"the files of {path} are not those of the manifest",
                InvalidInput("The files are not those of the manifest.", details=tuple(found)),
            )
    return Package(
        path.name.removesuffix(IMPORT_MANIFEST_SUFFIX),
        data,
        manifest,
        {entry.filename: place / entry.filename for entry in manifest.all_files},
    )


def parse(data: bytes, source: str) -> ImportManifest:
    """Check a manifest as the service does.

    Raises:
        Refused: With every violation.
    """
    try:
        return parse_import_manifest(data)
    except InvalidInput as error:
        raise _refused(f"{source} is not a valid import manifest", error) from error


def check_handlers(manifest: ImportManifest, source: str) -> None:
    """Check that the standard handlers of devices can carry out the steps.

    Raises:
        Refused: With every violation.
    """
    found = handler_violations(manifest)
    if found:
        raise _refused(
            f"devices would refuse the steps of {source}",
            InvalidInput("A handler would refuse the steps.", details=tuple(found)),
        )


def _refused(sentence: str, error: InvalidInput) -> Refused:
    count = len(error.details)
    plural = "" if count == 1 else "s"
    return Refused(
        ExitCode.INVALID, f"{sentence}: {count} violation{plural}", error=as_error(error)
    )


def _file_violations(manifest: ImportManifest, folder: Path) -> Iterator[InvalidInput]:
    for pointer, entry in _entries(manifest):
        path = folder / entry.filename
        if not path.is_file():
            yield violation(f"{pointer}/filename", f"there is no file {path}")
            continue
        size = path.stat().st_size
        if size != entry.size_bytes:
            yield violation(
                f"{pointer}/sizeInBytes", f"says {entry.size_bytes}, but {path} has {size} bytes"
            )
        elif measure(path)[1] != entry.sha256:
            yield violation(f"{pointer}/hashes/sha256", f"is not the hash of {path}")


def _entries(manifest: ImportManifest) -> Iterator[tuple[str, FileEntry | RelatedFile]]:
    for index, file in enumerate(manifest.files):
        yield f"/files/{index}", file
        for number, related in enumerate(file.related_files):
            yield f"/files/{index}/relatedFiles/{number}", related
