"""The JSON objects of uploads and of checks of import manifests. All are additional."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from shared.http.models import Error, Model, UpdateId

type FileName = Annotated[str, Meta(min_length=1, max_length=255)]


class UploadFile(Model):
    """A file that is to be uploaded: an import manifest or a file of an update."""

    name: FileName


class UploadInput(Model):
    """The files of an upload."""

    files: Annotated[list[UploadFile], Meta(min_length=1, max_length=61)]


class UploadTarget(Model):
    """Where a file is to be written, by `Put Blob`, or by `Put Block` and `Put Block List`."""

    name: str
    url: str


class Upload(Model):
    """An upload. Its addresses let whoever has them write, not read, until `expiresDateTime`."""

    upload_id: str
    files: list[UploadTarget]
    expires_date_time: str
    max_block_bytes: int


class UploadedUpdate(Model):
    """An update among the files of an upload: the name of its manifest's file."""

    import_manifest: FileName
    friendly_name: Annotated[str, Meta(min_length=1, max_length=512)] | None = None


class UploadImport(Model):
    """What to import of an upload: one update, or a parent and its children."""

    updates: Annotated[list[UploadedUpdate], Meta(min_length=1, max_length=11)]


class ManifestFindings(Model):
    """What is wrong with an import manifest, and what importing it would mean.

    Of each violation `target` is a JSON pointer. `missingUpdates` are those that it refers to and
    that are not there yet; `deviceClassIds` the device classes that could take it.
    """

    is_valid: bool
    violations: list[Error]
    is_published: bool
    missing_updates: list[UpdateId]
    device_class_ids: list[str]
    update_id: UpdateId | None = None
