"""Which instance a command talks to, and with which token."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.operator.exit_codes import ExitCode
from local.operator.failures import Refused
from local.rest import Access, StackAccess
from local.stack.running import Stack

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

TOKEN_VARIABLE = "ODU_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_SCOPE = "https://api.adu.microsoft.com/.default"
_SPARE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Place:
    """What the command line says of where the service is; `endpoint` is None for a local stack."""

    state: Path = Path(".odu")
    endpoint: str | None = None
    instance: str | None = None
    scope: str = DEFAULT_SCOPE

    @property
    def is_local(self) -> bool:
        """Whether it is a stack of this machine."""
        return self.endpoint is None

    @property
    def token_hint(self) -> str:
        """How to get a better token."""
        if os.environ.get(TOKEN_VARIABLE):
            return f"It comes from {TOKEN_VARIABLE}: set that anew, or unset it."
        return "" if self.is_local else "Sign in again, for example with: az login"

    def stack(self) -> Stack:
        """The local stack.

        Raises:
            NotRunning: It is not up.
        """
        return Stack.load(self.state)

    def access(self) -> Access:
        """The way into the instance.

        Raises:
            NotRunning: The local stack is not up.
            Refused: The options do not name an instance.
        """
        token = os.environ.get(TOKEN_VARIABLE)
        if self.endpoint is None:
            local = StackAccess(self.stack())
            address, instance = local.endpoint, self.instance or local.instance
            return FixedAccess(address, instance, local, token)
        if self.instance is None:
            raise Refused(ExitCode.USAGE, "--endpoint needs --instance ID")
        parts = urlsplit(self.endpoint)
        if parts.scheme != "https" or not parts.hostname:
            raise Refused(ExitCode.USAGE, "--endpoint must be an https:// URL")
        base = f"https://{parts.netloc}{parts.path.rstrip('/')}"
        return FixedAccess(base, self.instance, AzureTokens(self.scope), token)


@dataclass(frozen=True, slots=True)
class FixedAccess:
    """An instance at an address; tokens come from the environment or else from their source."""

    endpoint: str
    instance: str
    source: StackAccess | AzureTokens
    given_token: str | None = field(default=None, repr=False)

    def trust(self) -> ssl.SSLContext:
        """The authorities to trust."""
        return self.source.trust()

    async def token(self) -> str:
        """The token to send."""
        return self.given_token or await self.source.token()


@dataclass(slots=True)
class AzureTokens:
    """Access tokens of Microsoft Entra ID, for whoever is signed in or runs the program."""

    scope: str
    _token: AccessToken | None = field(default=None, init=False, repr=False)

    def trust(self) -> ssl.SSLContext:
        """The authorities that the system trusts."""
        return ssl.create_default_context()

    async def token(self) -> str:
        """A token, kept until shortly before it expires.

        Raises:
            Refused: None can be had.
        """
        if self._token is None or self._token.expires_on - time.time() < _SPARE_SECONDS:
            self._token = await self._fetch()
        return self._token.token

    async def _fetch(self) -> AccessToken:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity.aio import DefaultAzureCredential

        try:
            async with DefaultAzureCredential() as credential:
                return await credential.get_token(self.scope)
        except ClientAuthenticationError as error:
            raise Refused(
                ExitCode.TOKEN,
                f"no Azure identity gave a token for {self.scope}; "
                f"sign in (az login) or set {TOKEN_VARIABLE}",
            ) from error
