"""The shape of import manifests 4.0 and 5.0 as JSON Schema (draft 7), in our own words.

Limits are those of the published schemas of Device Update for IoT Hub. What a schema cannot say
(update ids, references between parts, sums) is in `import_manifest_checks`.
"""

from __future__ import annotations

from typing import Any

MAX_FILE_BYTES = 2_147_483_648


def import_manifest_schema() -> dict[str, Any]:
    """Return the schema; it is open where the contract is."""
    return {
        "type": "object",
        "required": [
            "manifestVersion",
            "updateId",
            "compatibility",
            "instructions",
            "createdDateTime",
        ],
        "properties": {
            "manifestVersion": {"type": "string"},
            "description": _text(512),
            "isDeployable": {"type": "boolean"},
            "compatibility": _list(_compatibility(), 1, 10),
            "instructions": _closed({"steps": _list(_step(), 1, 10)}, ["steps"]),
            "files": {**_list(_file(), 0, 10), "type": ["array", "null"]},
            "createdDateTime": {"type": "string", "format": "created"},
        },
    }


def _step() -> dict[str, Any]:
    inline = {
        "type": {"const": "inline"},
        "description": _text(64),
        "handler": {"type": "string", "format": "handler"},
        "files": _list({"type": "string"}, 1, 10),
        "handlerProperties": {"type": "object"},
    }
    reference = {"type": {}, "description": _text(64), "updateId": {}}
    return {
        "type": "object",
        "if": {"required": ["type"], "properties": {"type": {"const": "reference"}}},
        "then": _closed(reference, ["updateId"]),
        "else": _closed(inline, ["handler", "files"]),
    }


def _file() -> dict[str, Any]:
    related = _payload(_properties(64, {"format": "property"}, 5))
    handler = {"type": "string", "format": "handler"}
    file = _payload({"type": "object"})
    file["properties"] |= {
        "relatedFiles": _list(related, 0, 4),
        "downloadHandler": {"type": "object", "required": ["id"], "properties": {"id": handler}},
    }
    return file


def _payload(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["filename", "sizeInBytes", "hashes"],
        "properties": {
            "filename": {"type": "string", "format": "file-name"},
            "sizeInBytes": {"type": "integer", "minimum": 1, "maximum": MAX_FILE_BYTES},
            "hashes": hashes_schema(),
            "properties": properties,
        },
    }


def hashes_schema() -> dict[str, Any]:
    """Return the schema of a `hashes` object: sha256 and at most one other algorithm."""
    return {
        "type": "object",
        "required": ["sha256"],
        "maxProperties": 2,
        "propertyNames": {"maxLength": 10},
        "properties": {"sha256": {"type": "string", "format": "sha256"}},
        "additionalProperties": _text(256),
    }


def _compatibility() -> dict[str, Any]:
    return {**_properties(32, _text(64), 5), "minProperties": 1}


def _properties(key_length: int, value: dict[str, Any], most: int) -> dict[str, Any]:
    return {
        "type": "object",
        "maxProperties": most,
        "propertyNames": {"minLength": 1, "maxLength": key_length},
        "additionalProperties": value,
    }


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "maxItems": most, "items": items}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}
