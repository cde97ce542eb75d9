"""The body of an import request: where the manifest and the files of each update are to be fetched.

URLs carry secrets (SAS), so no message of this module repeats one. Whether a URL may be fetched at
all is the subject of `shared/domain/updates/source_url.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.domain.errors import InvalidInput
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.import_manifest import MAX_MANIFEST_BYTES
from shared.domain.updates.import_manifest_schema import hashes_schema
from shared.domain.updates.schema_check import schema_violations, violation

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS = 11
"""One parent and the ten children it may refer to."""
MAX_FILES_PER_ITEM = 50
"""Ten files with four related files each."""
MAX_URL_LENGTH = 8192


def parse_import_request(body: object) -> tuple[ImportItem, ...]:
    """Read the parsed JSON body of an import request.

    Raises:
        InvalidInput: Every violation is in `details`, with a JSON pointer as `target`.
    """
    body = _with_file_names(body)
    violations = schema_violations(_request_schema, body)
    if isinstance(body, list):
        violations += _repeated_files(body)
    if violations:
        reasons = "; ".join(each.message for each in violations[:3])
        raise InvalidInput(
            f"The import request is not valid: {reasons}.",
            target=violations[0].target,
            details=tuple(violations),
        )
    assert isinstance(body, list)
    return tuple(_item(item) for item in body)


def _with_file_names(body: object) -> object:
    """The body with every `fileName`, as samples of the managed service spell it, as `filename`."""
    if not isinstance(body, list):
        return body
    return [
        {**item, "files": [_with_file_name(file) for file in item["files"]]}
        if isinstance(item, dict) and isinstance(item.get("files"), list)
        else item
        for item in body
    ]


def _with_file_name(file: object) -> object:
    if isinstance(file, dict) and "filename" not in file and "fileName" in file:
        return {**file, "filename": file["fileName"]}
    return file


def _item(item: dict[str, Any]) -> ImportItem:
    manifest = item["importManifest"]
    return ImportItem(
        manifest_url=manifest["url"],
        manifest_size_bytes=int(manifest["sizeInBytes"]),
        manifest_sha256=manifest["hashes"]["sha256"],
        friendly_name=item.get("friendlyName"),
        files=tuple((file["filename"], file["url"]) for file in item.get("files") or ()),
    )


def _repeated_files(body: list[object]) -> Iterator[InvalidInput]:
    for at, item in enumerate(body[:MAX_ITEMS]):
        files = item.get("files") if isinstance(item, dict) else None
        if not isinstance(files, list):
            continue
        seen: set[str] = set()
        for index, file in enumerate(files[:MAX_FILES_PER_ITEM]):
            name = file.get("filename") if isinstance(file, dict) else None
            if not isinstance(name, str):
                continue
            if name.casefold() in seen:
                yield violation(f"/{at}/files/{index}/filename", "is named twice")
            seen.add(name.casefold())


def _request_schema() -> dict[str, Any]:
    url = {"type": "string", "minLength": 1, "maxLength": MAX_URL_LENGTH}
    manifest = {
        "type": "object",
        "required": ["url", "sizeInBytes", "hashes"],
        "properties": {
            "url": url,
            "sizeInBytes": {"type": "integer", "minimum": 1, "maximum": MAX_MANIFEST_BYTES},
            "hashes": hashes_schema(),
        },
    }
    file = {
        "type": "object",
        "required": ["filename", "url"],
        "properties": {"filename": {"type": "string", "format": "file-name"}, "url": url},
    }
    item = {
        "type": "object",
        "required": ["importManifest"],
        "properties": {
            "importManifest": manifest,
            "friendlyName": {"type": ["string", "null"], "minLength": 1, "maxLength": 512},
            "files": {"type": ["array", "null"], "maxItems": MAX_FILES_PER_ITEM, "items": file},
        },
    }
    return {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": item}
