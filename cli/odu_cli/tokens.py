"""Where access tokens come from: the environment, Microsoft Entra ID, or a local stack."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.rest import Unreachable

if TYPE_CHECKING:
    from odu_cli.local_stack import TokenClient

TOKEN_VARIABLE = "ODU_TOKEN"  # noqa: S105 - the name of a variable
_SPARE_SECONDS = 300
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token that the user has."""

    text: str = field(repr=False)

    async def token(self) -> str:
        """See `TokenSource`."""
        return self.text


@dataclass(slots=True)
class EntraTokens:
    """Tokens of Microsoft Entra ID, for whoever is signed in or runs the program."""

    scope: str
    _token: str = field(default="", init=False, repr=False)
    _expires_at: float = field(default=0.0, init=False)

    async def token(self) -> str:
        """A token, kept until shortly before it expires.

        Raises:
            Refused: None can be had.
        """
        if self._expires_at - time.time() < _SPARE_SECONDS:
            await self._fetch()
        return self._token

    async def _fetch(self) -> None:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity.aio import DefaultAzureCredential

        try:
            async with DefaultAzureCredential() as credential:
                found = await credential.get_token(self.scope)
        except ClientAuthenticationError as error:
            raise Refused(
                ExitCode.TOKEN,
                f"no Azure identity gave a token for {self.scope}; "
                f"sign in (az login) or set {TOKEN_VARIABLE}",
            ) from error
        self._token, self._expires_at = found.token, found.expires_on


@dataclass(slots=True)
class IssuerTokens:
    """Tokens of the issuer of a local stack, by the client credentials grant (RFC 6749, 4.4)."""

    client: TokenClient
    ca_file: str
    _token: str = field(default="", init=False, repr=False)
    _expires_at: float = field(default=0.0, init=False)

    async def token(self) -> str:
        """A token, kept until shortly before it expires.

        Raises:
            Unreachable: The issuer does not answer.
        """
        if self._expires_at - time.monotonic() < _SPARE_SECONDS:
            await self._fetch()
        return self._token

    async def _fetch(self) -> None:
        import aiohttp

        form = {
            "grant_type": "client_credentials",
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret,
            "scope": self.client.scope,
        }
        context = ssl.create_default_context(cafile=self.ca_file)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=context),
                    timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
                ) as session,
                session.post(self.client.endpoint, data=form) as answer,
            ):
                if answer.status != 200:
                    raise Unreachable(f"the stack's token issuer answers {answer.status}")
                found = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"the stack's token issuer cannot be reached: {reason}") from error
        self._token = found["access_token"]
        self._expires_at = time.monotonic() + found["expires_in"]
