"""The JSON schema of all events for customers, made from the types that they are built with."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.domain.events.catalog import DATA

_REFERENCE = "#/$defs/{name}"


def schema() -> dict[str, Any]:
    """One event is one of these; what its `data` holds follows from its `type`."""
    references, definitions = msgspec.json.schema_components(DATA.values(), ref_template=_REFERENCE)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of Open Device Update",
        "description": "CloudEvents 1.0. Members may be added.",
        "oneOf": [
            _event(kind.value, reference) for kind, reference in zip(DATA, references, strict=True)
        ],
        "$defs": dict(sorted(definitions.items())),
    }


def _event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    properties = {
        "specversion": {"const": "1.0"},
        "type": {"const": kind},
        "source": {"type": "string", "pattern": "^/deviceUpdate/[^/]+$"},
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "subject": text,
        "time": {"type": "string", "format": "date-time"},
        "data": data,
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
