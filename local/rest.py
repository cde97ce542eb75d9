"""The REST client of the command line, let into a stack of this machine in any role."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import odu_cli.rest
from odu_cli.target import ServiceTarget

if TYPE_CHECKING:
    from local.stack.running import Stack

_TOKEN_SECONDS = 3600


@dataclass(slots=True)
class StackTokens:
    """Tokens made here, without the stack's issuer, renewed long before they expire."""

    stack: Stack
    role: str
    _token: str = field(default="", init=False, repr=False)
    _renewed_at: float = field(default=float("-inf"), init=False)

    async def token(self) -> str:
        """See `odu_cli.target.TokenSource`."""
        now = time.monotonic()
        if now - self._renewed_at > _TOKEN_SECONDS / 2:
            self._token = self.stack.token(self.role, lifetime_seconds=_TOKEN_SECONDS)
            self._renewed_at = now
        return self._token


class Rest(odu_cli.rest.Rest):
    """A client of the instance of a stack.

    Args:
        stack: A running stack.
        role: The role to take.
        patience: See `odu_cli.rest.Rest`.
    """

    def __init__(self, stack: Stack, role: str = "Administrator", *, patience: int = 0) -> None:
        target = ServiceTarget(
            endpoint=stack.endpoint,
            instance=stack.instance,
            tokens=StackTokens(stack, role),
            ca_file=stack.ca_file,
        )
        super().__init__(target, patience=patience)
