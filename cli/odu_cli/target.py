"""Where a command goes: an instance of a service, and how to be let in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Protocol


class TokenSource(Protocol):
    """Gives access tokens."""

    async def token(self) -> str:
        """A bearer token that is valid for some minutes at least."""


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """One instance of a service.

    `endpoint` is the base URL without a slash at its end; `ca_file` names the certificate authority
    to trust, None those of the system.
    """

    endpoint: str
    instance: str
    tokens: TokenSource = field(repr=False)
    ca_file: str | None = None

    def trust(self) -> ssl.SSLContext:
        """The certificate authorities to trust."""
        return ssl.create_default_context(cafile=self.ca_file)
