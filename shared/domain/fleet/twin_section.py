"""Members of a section of a twin, and when the hub last changed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import InvalidInput
from shared.domain.instant import instant


def member(node: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path; empty if there is none."""
    for name in path:
        below = node.get(name)
        if not isinstance(below, Mapping):
            return {}
        node = below
    return node


def changed_at(section: Mapping[str, Any], *path: str) -> str:
    """When the hub last changed a member, by its own clock; empty if it does not say."""
    text = member(section, "$metadata", *path).get("$lastUpdated")
    try:
        return instant(text) if isinstance(text, str) else ""
    except InvalidInput:
        return ""
