"""The update manifest: what the service tells a device about an update.

Versions 4 and 5 of the format. It travels as text, and the text is what is hashed and signed: a
parsed manifest is never written again to be checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .codes import Erc
from .strictjson import dumps_compact, loads_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEADING_INTEGER = re.compile(r"\s*(\d{1,9})")
SUPPORTED_VERSIONS = (4, 5)
_T = TypeVar("_T")


class ManifestError(Exception):
    """A manifest cannot be used; `erc` is what a device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


@dataclass(frozen=True)
class ManifestUpdateId:
    """Names one update."""

    provider: str
    name: str
    version: str

    def to_dict(self) -> dict[str, str]:
        """The JSON members, in the order the agent reports them."""
        return {"provider": self.provider, "name": self.name, "version": self.version}


@dataclass(frozen=True)
class ManifestFile:
    """A file of the update, or a related file (a delta, say) of one.

    `hashes` maps an algorithm's name to the standard base64 of the digest; a device checks the
    first. `properties` are for the handlers, any JSON. `related_files` maps file ids and matters
    only with a `download_handler`.
    """

    file_name: str
    size_in_bytes: int
    hashes: Mapping[str, str]
    properties: Mapping[str, Any] | None = None
    arguments: str | None = None
    download_handler: str | None = None
    related_files: Mapping[str, ManifestFile] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON members."""
        members: dict[str, Any] = {
            "fileName": self.file_name,
            "sizeInBytes": self.size_in_bytes,
            "hashes": dict(self.hashes),
        }
        if self.properties is not None:
            members["properties"] = dict(self.properties)
        if self.arguments is not None:
            members["arguments"] = self.arguments
        if self.download_handler is not None:
            members["downloadHandler"] = {"id": self.download_handler}
        if self.related_files:
            members["relatedFiles"] = {
                file_id: file.to_dict() for file_id, file in self.related_files.items()
            }
        return members


@dataclass(frozen=True)
class ManifestStep:
    """One instruction: inline (a handler and its files) or a reference to a child update.

    Exactly one of `handler` and `detached_manifest_file_id` is set.
    """

    handler: str | None = None
    files: tuple[str, ...] = ()
    handler_properties: Mapping[str, Any] = field(default_factory=dict)
    detached_manifest_file_id: str | None = None

    @property
    def is_reference(self) -> bool:
        """Whether the step stands for a child update."""
        return self.detached_manifest_file_id is not None

    @property
    def installed_criteria(self) -> str | None:
        """The text that tells a handler whether the step is installed already."""
        criteria = self.handler_properties.get("installedCriteria")
        return criteria if isinstance(criteria, str) else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON members."""
        if self.is_reference:
            return {"type": "reference", "detachedManifestFileId": self.detached_manifest_file_id}
        return {
            "handler": self.handler,
            "files": list(self.files),
            "handlerProperties": dict(self.handler_properties),
        }


@dataclass(frozen=True)
class UpdateManifest:
    """A whole manifest.

    `detached_manifest_file_id` is set on a short manifest that only names the file with the long
    one (see `detached_document`); such a manifest has no steps.
    """

    update_id: ManifestUpdateId
    compatibility: tuple[Mapping[str, str], ...]
    steps: tuple[ManifestStep, ...]
    files: Mapping[str, ManifestFile]
    created_date_time: str = ""
    manifest_version: str = "5"
    detached_manifest_file_id: str | None = None

    def to_json(self) -> str:
        """Write the manifest: compact, members in a fixed order. These bytes are to be signed."""
        members: dict[str, Any] = {
            "manifestVersion": self.manifest_version,
            "updateId": self.update_id.to_dict(),
            "compatibility": [dict(properties) for properties in self.compatibility],
        }
        if self.detached_manifest_file_id is None:
            members["instructions"] = {"steps": [step.to_dict() for step in self.steps]}
        else:
            members["detachedManifestFileId"] = self.detached_manifest_file_id
        members["files"] = {file_id: file.to_dict() for file_id, file in self.files.items()}
        if self.created_date_time:
            members["createdDateTime"] = self.created_date_time
        return dumps_compact(members)


def parse_update_manifest(text: str, *, check_version: bool = True) -> UpdateManifest:
    """Read a manifest; unknown members are ignored.

    Args:
        text: The manifest as it was signed.
        check_version: False for a child's manifest, whose version agents do not check.

    Raises:
        ManifestError: The text is no manifest that a device can follow.
    """
    try:
        members = loads_object(text)
    except ValueError as error:
        raise _malformed(f"the update manifest cannot be read: {error}") from None
    version = _member(members, "manifestVersion", str, "")
    if check_version:
        _check_version(version)
    detached = _optional_text(members, "detachedManifestFileId")
    files = _member(members, "files", dict, {})
    return UpdateManifest(
        update_id=_update_id(members.get("updateId")),
        compatibility=tuple(_texts(entry, "compatibility") for entry in _compatibility(members)),
        steps=() if detached is not None else _steps(members),
        files={file_id: _file(file_id, value) for file_id, value in files.items()},
        created_date_time=_member(members, "createdDateTime", str, ""),
        manifest_version=version,
        detached_manifest_file_id=detached,
    )


def detached_document(manifest_json: str) -> str:
    """Wrap a manifest's text as the content of a detached manifest file."""
    return dumps_compact({"updateManifest": manifest_json})


def parse_detached(text: str) -> str:
    """Unwrap a detached manifest file; a manifest given as an object is written as text.

    Raises:
        ManifestError: Not JSON, or no `updateManifest` in it.
    """
    try:
        members = loads_object(text)
    except ValueError as error:
        message = f"the detached manifest cannot be read: {error}"
        raise ManifestError(Erc.DETACHED_NOT_JSON, message) from None
    manifest = members.get("updateManifest")
    if isinstance(manifest, dict):
        return dumps_compact(manifest)
    if not isinstance(manifest, str) or not manifest:
        raise ManifestError(Erc.DETACHED_NO_MANIFEST, "the detached manifest is empty")
    return manifest


def installed_update_id_text(update_id: ManifestUpdateId) -> str:
    """Write an update id as the `installedUpdateId` of a report."""
    return dumps_compact(update_id.to_dict())


def _malformed(message: str) -> ManifestError:
    return ManifestError(Erc.MANIFEST_MALFORMED, message)


def _check_version(version: str) -> None:
    match = _LEADING_INTEGER.match(version)
    if match is None or int(match.group(1)) not in SUPPORTED_VERSIONS:
        raise ManifestError(
            Erc.MANIFEST_VERSION_UNSUPPORTED, f"manifestVersion {version!r:.20} is not 4 or 5"
        )


def _member(members: Mapping[str, Any], name: str, kind: type[_T], default: _T) -> _T:
    value = members.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _malformed(f"{name} must be of type {kind.__name__}")
    return value


def _optional_text(members: Mapping[str, Any], name: str) -> str | None:
    return _member(members, name, str, "") or None


def _update_id(value: Any) -> ManifestUpdateId:
    if isinstance(value, dict):
        parts: list[Any] = [value.get(name) for name in ("provider", "name", "version")]
        if all(isinstance(part, str) and part for part in parts):
            return ManifestUpdateId(*parts)
    raise ManifestError(Erc.UPDATE_ID_INVALID, "updateId needs provider, name and version")


def _texts(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _malformed(f"{name} must be an object of strings")
    return value


def _compatibility(members: Mapping[str, Any]) -> list[Any]:
    return _member(members, "compatibility", list, [])


def _steps(members: Mapping[str, Any]) -> tuple[ManifestStep, ...]:
    instructions = _member(members, "instructions", dict, {})
    steps = instructions.get("steps")
    if not isinstance(steps, list) or not steps:
        raise _malformed("instructions.steps must be an array of at least one step")
    return tuple(_step(index, step) for index, step in enumerate(steps))


def _step(index: int, value: Any) -> ManifestStep:
    if not isinstance(value, dict):
        raise _malformed(f"step {index} must be an object")
    if value.get("type") == "reference":
        file_id = _optional_text(value, "detachedManifestFileId")
        if file_id is None:
            raise _malformed(f"reference step {index} names no detachedManifestFileId")
        return ManifestStep(detached_manifest_file_id=file_id)
    handler = value.get("handler")
    if not isinstance(handler, str) or not handler:
        raise ManifestError(Erc.STEP_WITHOUT_HANDLER, f"step {index} names no handler")
    properties = value.get("handlerProperties")
    if not isinstance(properties, dict):
        raise ManifestError(Erc.STEP_WITHOUT_PROPERTIES, f"step {index} has no handlerProperties")
    files = _member(value, "files", list, [])
    if not all(isinstance(file_id, str) for file_id in files):
        raise _malformed(f"files of step {index} must be file ids")
    return ManifestStep(handler=handler, files=tuple(files), handler_properties=properties)


def _file(file_id: str, value: Any) -> ManifestFile:
    if not isinstance(value, dict):
        raise _malformed(f"file {file_id} must be an object")
    name = _member(value, "fileName", str, "")
    size = value.get("sizeInBytes")
    if not name or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _malformed(f"file {file_id} needs fileName and sizeInBytes")
    handler = _member(value, "downloadHandler", dict, {})
    related = _member(value, "relatedFiles", dict, {}) if handler else {}
    return ManifestFile(
        file_name=name,
        size_in_bytes=size,
        hashes=_texts(value.get("hashes") or {}, f"hashes of {file_id}"),
        properties=_member(value, "properties", dict, {}) if "properties" in value else None,
        arguments=_optional_text(value, "arguments"),
        download_handler=_optional_text(handler, "id"),
        related_files={key: _related_file(key, entry) for key, entry in related.items()},
    )


def _related_file(file_id: str, value: Any) -> ManifestFile:
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if name != "downloadHandler"}
    return _file(file_id, value)
