"""A published update and how its update manifest is made from its import manifest."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.contract.encoding import b64, unb64
from shared.contract.manifest import (
    ManifestFile,
    ManifestStep,
    ManifestUpdateId,
    UpdateManifest,
    detached_document,
)
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.import_manifest import FileEntry, ImportManifest, InlineStep, RelatedFile
from shared.domain.updates.keyring import SignatureRecord
from shared.domain.updates.update_id import UpdateId

MAX_TWIN_STRING_BYTES = 4096
"""Longest string value of a twin (IoT Hub): a longer manifest travels as a detached file."""


@dataclass(frozen=True, slots=True)
class UpdateFile:
    """A payload or related file of an update. `sha256` is standard base64."""

    file_id: str
    filename: str
    size_bytes: int
    sha256: str
    hashes: Mapping[str, str]
    properties: Mapping[str, Any] | None = None
    related_files: tuple[UpdateFile, ...] = ()
    download_handler: str | None = None
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file that the service itself makes: a detached manifest."""

    file_id: str
    filename: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Why and when (ISO 8601, UTC) an update was taken back."""

    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Update:
    """A published update.

    `manifest` is the exact text that devices hash, `signature` the nested JWS over it. `content`
    maps every file id that a device may ask for, those of children included, to the hexadecimal
    SHA-256 of its content, which names the blob. `operation_id` is the import that made it. An
    update that is being deleted, or recalled, can no longer be deployed or referred to.
    """

    update_id: UpdateId
    is_deployable: bool
    compatibility: tuple[Mapping[str, str], ...]
    manifest_version: str
    steps: tuple[Mapping[str, Any], ...]
    files: tuple[UpdateFile, ...]
    created_at: str
    imported_at: str
    operation_id: str
    manifest: str
    signature: str
    content: Mapping[str, str]
    file_names: Mapping[str, str] = field(default_factory=dict)
    detached_manifest: str | None = None
    friendly_name: str | None = None
    description: str | None = None
    references: tuple[UpdateId, ...] = ()
    referenced_by: tuple[UpdateId, ...] = ()
    is_being_deleted: bool = False
    signature_record: SignatureRecord | None = None
    recall: Recall | None = None

    @property
    def all_files(self) -> list[UpdateFile]:
        """Its payloads, each followed by its related files."""
        return [each for file in self.files for each in (file, *file.related_files)]

    @property
    def is_offered(self) -> bool:
        """Whether it may be deployed."""
        return self.is_deployable and not self.is_being_deleted and self.recall is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever imports or deploys it should know."""
        if self.detached_manifest is None:
            return ()
        size = len(self.detached_manifest.encode())
        return (
            f"The manifest of update '{self.update_id}' has {size:,} bytes. More than "
            f"{MAX_TWIN_STRING_BYTES:,} do not fit into a twin, so it travels as a file. Devices "
            "with the open-source C agent (DU;agent/1.1.0 and earlier) cannot read it and refuse "
            "the update (8030000B): move steps into child updates to reach them.",
        )

    @property
    def signature_edition(self) -> int:
        """Edition of the keyring that signed it."""
        return self.signature_record.edition if self.signature_record else 0


@dataclass(frozen=True, slots=True)
class PreparedUpdate:
    """The update manifest of an update about to be published, and the files that come with it.

    `manifest` goes into the twin; `full_manifest` is what it stands for where it is detached.
    """

    manifest: str
    full_manifest: str
    files: tuple[UpdateFile, ...]
    generated: tuple[GeneratedFile, ...]
    content: Mapping[str, str]
    file_names: Mapping[str, str]


def prepare(
    source: ImportManifest,
    children: Sequence[Update],
    verdicts: Mapping[str, tuple[Verdict, ...]],
) -> PreparedUpdate:
    """Make the update manifest of an import manifest.

    Args:
        source: The validated import manifest.
        children: The published updates that its reference steps name.
        verdicts: Scan verdicts of every engine by file name.
    """
    files = tuple(_file(source.update_id, entry, verdicts) for entry in source.files)
    ids = {file.filename: file.file_id for file in files}
    taken = {file.filename.casefold() for file in _with_related(files)}
    references = {
        child.update_id: _reference_file(source.update_id, child, taken) for child in children
    }
    generated = list(references.values())
    entries = {file.file_id: manifest_file_of(file) for file in files}
    entries |= {item.file_id: _generated_entry(item) for item in generated}
    steps = tuple(
        ManifestStep(
            handler=step.handler,
            files=tuple(ids[name] for name in step.files),
            handler_properties=step.handler_properties,
        )
        if isinstance(step, InlineStep)
        else ManifestStep(detached_manifest_file_id=references[step.update_id].file_id)
        for step in source.steps
    )
    manifest, full, detached = sealed(_manifest(source, steps, entries), taken)
    generated += detached
    content = {file_id: hex_of(sha256) for file_id, sha256 in _hashes(files)}
    content |= {item.file_id: hex_of(item.sha256) for item in generated}
    names = {file.file_id: file.filename for file in _with_related(files)}
    names |= {item.file_id: item.filename for item in generated}
    for child in children:
        content |= child.content
        names |= child.file_names
    return PreparedUpdate(
        manifest=manifest,
        full_manifest=full,
        files=files,
        generated=tuple(generated),
        content=content,
        file_names=names,
    )


def sealed(whole: UpdateManifest, taken: set[str]) -> tuple[str, str, tuple[GeneratedFile, ...]]:
    """The text of a manifest as it goes into the twin, the whole text that it stands for, and the
    file with that where they differ.
    """
    full = whole.to_json()
    if len(full.encode()) <= MAX_TWIN_STRING_BYTES:
        return full, full, ()
    known = whole.update_id
    update_id = UpdateId(known.provider, known.name, known.version)
    name = free_name("manifest", ".json", taken)
    document = _generated(update_id, name, detached_document(full).encode())
    short = replace(
        whole,
        steps=(),
        files={document.file_id: _generated_entry(document)},
        detached_manifest_file_id=document.file_id,
    )
    return short.to_json(), full, (document,)


def hex_of(sha256: str) -> str:
    """The hexadecimal spelling of a base64 SHA-256: the name of its content blob."""
    return unb64(sha256).hex()


def file_id_of(update_id: UpdateId, filename: str, sha256: str) -> str:
    """The id of a file: `f` and 16 hexadecimal digits, the same for the same import."""
    return "f" + hashlib.sha256(f"{update_id}\n{filename}\n{sha256}".encode()).hexdigest()[:16]


def _file(
    update_id: UpdateId,
    entry: FileEntry | RelatedFile,
    verdicts: Mapping[str, tuple[Verdict, ...]],
) -> UpdateFile:
    related = entry.related_files if isinstance(entry, FileEntry) else ()
    return UpdateFile(
        file_id=file_id_of(update_id, entry.filename, entry.sha256),
        filename=entry.filename,
        size_bytes=entry.size_bytes,
        sha256=entry.sha256,
        hashes=entry.hashes,
        properties=entry.properties or None,
        related_files=tuple(_file(update_id, item, verdicts) for item in related),
        download_handler=entry.download_handler if isinstance(entry, FileEntry) else None,
        verdicts=verdicts.get(entry.filename, ()),
    )


def manifest_file_of(file: UpdateFile) -> ManifestFile:
    """A file as the update manifest has it."""
    return ManifestFile(
        file_name=file.filename,
        size_in_bytes=file.size_bytes,
        # the agent checks the first hash only: it has to be the one that was verified here
        hashes={"sha256": file.sha256, **file.hashes},
        properties=file.properties,
        download_handler=file.download_handler,
        related_files={item.file_id: manifest_file_of(item) for item in file.related_files},
    )


def _manifest(
    source: ImportManifest,
    steps: tuple[ManifestStep, ...],
    files: Mapping[str, ManifestFile],
) -> UpdateManifest:
    return UpdateManifest(
        update_id=ManifestUpdateId(
            source.update_id.provider, source.update_id.name, source.update_id.version
        ),
        compatibility=source.compatibility,
        steps=steps,
        files=files,
        created_date_time=source.created_date_time,
        manifest_version=source.manifest_version,
    )


def free_name(stem: str, suffix: str, taken: set[str]) -> str:
    """A name that no other file of the update bears, in whatever case: they share a folder."""
    numbered = (f"{stem}-{number}{suffix}" for number in itertools.count(1))
    names = itertools.chain([f"{stem}{suffix}"], numbered)
    name = next(name for name in names if name.casefold() not in taken)
    taken.add(name.casefold())
    return name


def _reference_file(parent: UpdateId, child: Update, taken: set[str]) -> GeneratedFile:
    stem = ".".join(
        (child.update_id.provider, child.update_id.name, child.update_id.version, "updatemanifest")
    )
    text = child.detached_manifest or child.manifest
    return _generated(parent, free_name(stem, ".json", taken), detached_document(text).encode())


def _generated(update_id: UpdateId, filename: str, content: bytes) -> GeneratedFile:
    sha256 = b64(hashlib.sha256(content).digest())
    return GeneratedFile(file_id_of(update_id, filename, sha256), filename, content, sha256)


def _generated_entry(item: GeneratedFile) -> ManifestFile:
    return ManifestFile(item.filename, len(item.content), {"sha256": item.sha256})


def _with_related(files: Iterable[UpdateFile]) -> Iterable[UpdateFile]:
    for file in files:
        yield file
        yield from file.related_files


def _hashes(files: Iterable[UpdateFile]) -> Iterable[tuple[str, str]]:
    return ((file.file_id, file.sha256) for file in _with_related(files))
