"""Strict reading of JSON that strangers wrote.

Stricter than RFC 8259 asks: one meaning per document (no duplicate keys), nothing that JSON cannot
write back (NaN, infinities, lone surrogates), bounded in bytes and in depth.
"""

from __future__ import annotations

import json
import math
from typing import Any


class NotStrictJson(ValueError):
    """The bytes are no strict JSON document; the message says why."""


def loads_strict(data: bytes, *, max_bytes: int, max_depth: int = 32) -> Any:
    """Parse UTF-8 JSON without accepting anything ambiguous.

    Args:
        data: The whole document.
        max_bytes: Largest accepted document.
        max_depth: Most nested arrays and objects; a bare scalar has depth 0.

    Raises:
        NotStrictJson: The document breaks one of the rules.
    """
    if len(data) > max_bytes:
        raise NotStrictJson(f"is larger than {max_bytes} bytes")
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise NotStrictJson(f"nests deeper than {max_depth} levels") from error
    except NotStrictJson:
        raise
    except ValueError as error:
        raise NotStrictJson(f"is not JSON: {error}") from error
    _check_values(document, max_depth)
    return document


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


def _check_values(document: Any, max_depth: int) -> None:
    pending: list[tuple[Any, int]] = [(document, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value)
            continue
        if not isinstance(value, dict | list):
            continue
        if depth == max_depth:
            raise NotStrictJson(f"nests deeper than {max_depth} levels")
        children = [*value, *value.values()] if isinstance(value, dict) else value
        pending.extend((child, depth + 1) for child in children)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotStrictJson("holds half of a surrogate pair") from error
