"""JSON from outside, read so that one text has one meaning."""

from __future__ import annotations

import json
from typing import Any


def loads_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; no member may appear twice, no number may be NaN or infinite.

    Raises:
        ValueError: Not such an object, or nested too deeply to be read.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for unfit text
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
