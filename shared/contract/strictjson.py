"""JSON that strangers wrote, read so that one text has one meaning.

Stricter than RFC 8259 asks: no member twice in an object, nothing that JSON cannot write back (NaN,
infinities, half a surrogate pair), bounded in bytes and in depth. A byte order mark before the text
is passed over, for editors write one.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAXIMUM_DEPTH = 32
"""Most nested arrays and objects; a bare scalar has depth 0."""
_BOM = "\ufeff"


class NotStrictJson(ValueError):
    """The text is no strict JSON document; the message says why, to follow its name."""


def loads_strict(text: str | bytes, *, max_bytes: int | None = None) -> Any:
    """Parse JSON without accepting anything ambiguous.

    Args:
        text: The whole document; bytes are UTF-8.
        max_bytes: The largest document, where bytes are given.

    Raises:
        NotStrictJson: The document breaks one of the rules.
    """
    if max_bytes is not None and len(text) > max_bytes:
        raise NotStrictJson(f"is larger than {max_bytes} bytes")
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        text = text[1:] if text.startswith(_BOM) else text
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except NotStrictJson:
        raise
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise NotStrictJson(f"nests deeper than {MAXIMUM_DEPTH} levels") from error
    except ValueError as error:
        raise NotStrictJson(f"is not JSON: {error}") from error
    if _may_be_deep(text) and _depth(value) > MAXIMUM_DEPTH:
        raise NotStrictJson(f"nests deeper than {MAXIMUM_DEPTH} levels")
    if ("\\u" in text or not _is_encodable(text)) and not _is_encodable(dumps_compact(value)):
        raise NotStrictJson("holds half of a surrogate pair")
    return value


def loads_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object as `loads_strict` does.

    Raises:
        NotStrictJson: Not such an object.
    """
    value = loads_strict(text)
    if not isinstance(value, dict):
        raise NotStrictJson("is not a JSON object")
    return value


def dumps_compact(value: Any) -> str:
    """Write JSON without white space, members in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise NotStrictJson(f"holds the key {key[:64]!r} twice in one object")
        found[key] = value
    return found


def _constant(word: str) -> float:
    raise NotStrictJson(f"holds {word}, which is not JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrictJson("holds a number that is too large")
    return number


def _may_be_deep(text: str) -> bool:
    """Cheap, and never wrong about a text that is not deep: brackets in texts count as well."""
    return text.count("{") + text.count("[") > MAXIMUM_DEPTH


def _depth(value: Any) -> int:
    """How deeply a value is nested, by levels, so that no value is too deep for this."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        level = [part for item in level for part in _parts(item)]
    return depth


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
