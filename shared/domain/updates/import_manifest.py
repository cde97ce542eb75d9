"""Import manifests, versions 4.0 and 5.0: what an update consists of, as its author wrote it.

`parse_import_manifest` takes bytes that nobody has vouched for and either returns values that the
rest of the service may trust or lists everything that is wrong with them. Fields that the contract
does not know are kept in `document`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.contract.strictjson import NotStrictJson, loads_strict
from shared.domain.errors import InvalidInput
from shared.domain.instant import with_offset
from shared.domain.updates.import_manifest_checks import cross_check
from shared.domain.updates.import_manifest_schema import import_manifest_schema
from shared.domain.updates.schema_check import MAX_VIOLATIONS, schema_violations, violation
from shared.domain.updates.update_id import UpdateId

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MANIFEST_BYTES = 1_048_576
MAX_TOTAL_BYTES = 2_147_483_648
"""Limit of Device Update for IoT Hub on all files of one import."""

_VERSIONS: Mapping[object, Literal["4", "5"]] = {"4.0": "4", "5.0": "5"}


@dataclass(frozen=True, slots=True)
class RelatedFile:
    """A file that a download handler uses to make the file it belongs to (a delta, say)."""

    filename: str
    size_bytes: int
    sha256: str
    hashes: Mapping[str, str]
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One payload file; `sha256` is base64, as everywhere in the contract."""

    filename: str
    size_bytes: int
    sha256: str
    hashes: Mapping[str, str]
    properties: Mapping[str, Any]
    related_files: tuple[RelatedFile, ...]
    download_handler: str | None


@dataclass(frozen=True, slots=True)
class InlineStep:
    """A step that a handler on the device carries out with files of this update."""

    handler: str
    files: tuple[str, ...]
    handler_properties: Mapping[str, Any]
    description: str | None


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """A step that installs another update."""

    update_id: UpdateId
    description: str | None


Step = InlineStep | ReferenceStep


@dataclass(frozen=True, slots=True)
class ImportManifest:
    """A valid import manifest; `document` is the JSON it was read from, unknown fields included."""

    update_id: UpdateId
    description: str | None
    is_deployable: bool
    compatibility: tuple[Mapping[str, str], ...]
    steps: tuple[Step, ...]
    files: tuple[FileEntry, ...]
    manifest_version: Literal["4", "5"]
    created_date_time: str
    document: dict[str, Any]

    @property
    def references(self) -> tuple[UpdateId, ...]:
        """The updates that the reference steps install, in order."""
        return tuple(step.update_id for step in self.steps if isinstance(step, ReferenceStep))

    @property
    def all_files(self) -> tuple[FileEntry | RelatedFile, ...]:
        """Every file to fetch: each file followed by its related files."""
        found: list[FileEntry | RelatedFile] = []
        for file in self.files:
            found += (file, *file.related_files)
        return tuple(found)


def parse_import_manifest(data: bytes, *, max_total_bytes: int = MAX_TOTAL_BYTES) -> ImportManifest:
    """Read and check an import manifest.

    Args:
        data: The manifest as fetched.
        max_total_bytes: Most bytes that all its files, related ones included, may add up to.

    Raises:
        InvalidInput: Code `CannotProcessImportManifest`. `inner.code` is `CannotParse` or
            `UnsupportedVersion`; `details` has one entry per violation (at most 100), the `target`
            of each being a JSON pointer.
    """
    try:
        document = loads_strict(data, max_bytes=MAX_MANIFEST_BYTES)
    except NotStrictJson as error:
        raise _refused("CannotParse", [violation("", str(error))]) from error
    if not isinstance(document, dict):
        raise _refused("CannotParse", [violation("", "must be an object")])
    version = document.get("manifestVersion")
    if isinstance(version, str) and version not in _VERSIONS:
        raise _refused(
            "UnsupportedVersion", [violation("/manifestVersion", 'must be "4.0" or "5.0"')]
        )
    violations = schema_violations(import_manifest_schema, document)
    violations += cross_check(document, max_total_bytes=max_total_bytes)
    if violations:
        raise _refused("CannotParse", violations)
    return _manifest(document)


def _refused(inner_code: str, violations: list[InvalidInput]) -> InvalidInput:
    reasons = "; ".join(each.message for each in violations[:3])
    more = f" and {len(violations) - 3} more" if len(violations) > 3 else ""
    return InvalidInput(
        f"The import manifest is not valid: {reasons}{more}.",
        code="CannotProcessImportManifest",
        details=tuple(violations[:MAX_VIOLATIONS]),
        inner=InvalidInput("The import manifest breaks its schema.", code=inner_code),
    )


def _manifest(document: dict[str, Any]) -> ImportManifest:
    return ImportManifest(
        update_id=UpdateId.parse(document["updateId"]),
        description=document.get("description"),
        is_deployable=document.get("isDeployable", True),
        compatibility=tuple(document["compatibility"]),
        steps=tuple(_step(step) for step in document["instructions"]["steps"]),
        files=tuple(_file(file) for file in document.get("files") or ()),
        manifest_version=_VERSIONS[document["manifestVersion"]],
        created_date_time=with_offset(document["createdDateTime"]),
        document=document,
    )


def _step(step: dict[str, Any]) -> Step:
    if step.get("type") == "reference":
        return ReferenceStep(UpdateId.parse(step["updateId"]), step.get("description"))
    return InlineStep(
        handler=step["handler"],
        files=tuple(step["files"]),
        handler_properties=step.get("handlerProperties", {}),
        description=step.get("description"),
    )


def _file(file: dict[str, Any]) -> FileEntry:
    return FileEntry(
        filename=file["filename"],
        size_bytes=int(file["sizeInBytes"]),
        sha256=file["hashes"]["sha256"],
        hashes=file["hashes"],
        properties=file.get("properties", {}),
        related_files=tuple(_related(each) for each in file.get("relatedFiles", ())),
        download_handler=file["downloadHandler"]["id"] if "downloadHandler" in file else None,
    )


def _related(file: dict[str, Any]) -> RelatedFile:
    return RelatedFile(
        filename=file["filename"],
        size_bytes=int(file["sizeInBytes"]),
        sha256=file["hashes"]["sha256"],
        hashes=file["hashes"],
        properties=file.get("properties", {}),
    )
