"""The system's clock and random identifiers."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> str:
        """See the port."""
        return datetime.now(UTC).isoformat(timespec="microseconds")

    def fresh_id(self) -> str:
        """See the port."""
        return secrets.token_hex(16)
