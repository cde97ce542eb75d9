"""Bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.access import Principal


class Tokens(Protocol):
    """Tells who sends a request."""

    async def validate(self, authorization: str | None) -> Principal:
        """The principal of an `Authorization` header.

        Raises:
            Unauthorized: There is no token or it does not hold.
            DependencyFailed: The issuer's keys cannot be had.
        """
        ...
