"""JSON from outside, read so that one text has one meaning."""

from __future__ import annotations

import json
import math
from typing import Any

MAXIMUM_DEPTH = 32
_BOM = "\ufeff"


def loads_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; a byte order mark before it is passed over.

    No member may appear twice, no number may be infinite or not a number, no text may hold half a
    surrogate pair, and nothing may be nested deeper than `MAXIMUM_DEPTH`.

    Raises:
        ValueError: Not such an object.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        text = text[1:] if text.startswith(_BOM) else text
        value = json.loads(
            text,
            object_pairs_hook=_unique_members,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for unfit text
    if _may_be_deep(text) and _depth(value) > MAXIMUM_DEPTH:
        raise ValueError("nested too deeply")
    if "\\u" in text or not _is_encodable(text):
        _refuse_lone_surrogates(value)
    return value


def dumps_compact(value: Any) -> str:
    """Write JSON without white space, members in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _may_be_deep(text: str) -> bool:
    """Cheap, and never wrong about a text that is not deep: brackets in texts count as well."""
    return text.count("{") + text.count("[") > MAXIMUM_DEPTH


def _depth(value: Any) -> int:
    """How deeply a value is nested, by levels, so that no value is too deep for this."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [part for item in level for part in _parts(item) if isinstance(part, (dict, list))]
    return depth


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_lone_surrogates(value: Any) -> None:
    if not _is_encodable(dumps_compact(value)):
        raise ValueError("a text holds half a surrogate pair")
