"""Looks for times in answers that do not say in which zone they are."""

from __future__ import annotations

import re
from typing import Any

AS_SENT = frozenset({"request"})
"""Members that repeat what a caller has sent, as it was sent: those of the audit log."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?")


def times_without_offset(document: Any, place: str = "") -> list[str]:
    """Where a JSON document has a date with a time but without an offset."""
    if isinstance(document, str):
        return [f"{place}: {document}"] if _TIME.fullmatch(document) else []
    if isinstance(document, dict):
        pairs = [
            (f"{place}/{name}", value) for name, value in document.items() if name not in AS_SENT
        ]
    elif isinstance(document, list):
        pairs = [(f"{place}/{at}", value) for at, value in enumerate(document)]
    else:
        return []
    return [found for inner, value in pairs for found in times_without_offset(value, inner)]
