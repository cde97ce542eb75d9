"""Days (UTC) in the query of an address."""

from __future__ import annotations

import re
from datetime import date

from shared.domain.errors import InvalidInput
from shared.http.route import QueryParameter

FIRST_DAY = QueryParameter("from", "The first day, as in `2026-01-31` (UTC).")
LAST_DAY = QueryParameter("to", "The last day, as in `2026-01-31` (UTC).")
_DAY = re.compile(r"[1-9]\d{3}-\d{2}-\d{2}", re.ASCII)


def day_of(text: str | None, name: str) -> str | None:
    """A day that a request gives, None if it gives none.

    Raises:
        InvalidInput: It is no day; `name` is its target.
    """
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise InvalidInput(f"'{name}' must be a day such as 2026-01-31.", target=name)
