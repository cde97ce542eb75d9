"""Bearer tokens of Microsoft Entra, or of any issuer that looks like it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.domain.access import Principal
from shared.domain.errors import DependencyFailed, Unauthorized
from shared.settings import TokenSettings

_KEYS_LIVE_SECONDS = 3600.0
_SECONDS_BETWEEN_FETCHES = 10.0
_LEEWAY_SECONDS = 60
_TIMEOUT_SECONDS = 10.0
_TRUSTED_SECONDS = 60.0
"""How long a token is believed without another check: callers send the same one for an hour."""
_MOST_TRUSTED = 1_000


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(reason, target="Authorization")


def _name(claims: Mapping[str, Any]) -> str | None:
    """What people call the caller: a user's name, else the id of an application."""
    for claim in ("preferred_username", "name", "azp", "appid"):
        if claims.get(claim):
            return str(claims[claim])
    return None


def _principal(claims: Mapping[str, Any]) -> Principal:
    roles = claims.get("roles", [])
    return Principal(
        object_id=str(claims.get("oid") or claims.get("sub") or ""),
        roles=tuple(str(role) for role in roles) if isinstance(roles, list) else (),
        name=_name(claims),
    )


class TokenValidator:
    """Checks signature, issuer, audience, tenant and times of a token.

    The issuer's keys are fetched once an hour, and again when a token names a key that is not among
    them, for that is how keys roll over.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys: Mapping[str, Any] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._trusted: dict[bytes, tuple[Principal, float]] = {}
        """By the hash of a token that holds: whose it is, and until when, in Unix time."""

    async def validate(self, authorization: str | None) -> Principal:
        """The principal of an `Authorization` header.

        Raises:
            Unauthorized: There is no token or it does not hold.
            DependencyFailed: The issuer's keys cannot be had.
        """
        name = sha256((authorization or "").encode("utf-8", "surrogateescape")).digest()
        principal, until = self._trusted.get(name, (None, 0.0))
        if principal is not None and time.time() < until:
            return principal
        claims = await self._claims(authorization)
        principal = _principal(claims)
        if len(self._trusted) >= _MOST_TRUSTED:
            self._trusted.clear()
        expires = float(claims["exp"]) + _LEEWAY_SECONDS
        self._trusted[name] = principal, min(expires, time.time() + _TRUSTED_SECONDS)
        return principal

    async def _claims(self, authorization: str | None) -> Mapping[str, Any]:
        """What a token says, once it holds."""
        import jwt

        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refused("Send a bearer token in the Authorization header.")
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "nbf", "iss", "aud", "tid"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise _refused("The token has expired.") from error
        except jwt.PyJWTError as error:
            raise _refused("The token is not valid.") from error
        if claims["tid"] != self._settings.tenant:
            raise _refused("The token is of another tenant.")
        return claims

    async def _key(self, key_id: str) -> Any:
        age = time.monotonic() - self._fetched_at
        unknown = key_id not in self._keys and age > _SECONDS_BETWEEN_FETCHES
        if age > _KEYS_LIVE_SECONDS or unknown:
            async with self._fetching:
                if time.monotonic() - self._fetched_at >= age:
                    await self._fetch()
        try:
            return self._keys[key_id]
        except KeyError:
            raise _refused("The token is signed by an unknown key.") from None

    async def _fetch(self) -> None:
        import aiohttp
        import jwt

        try:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._settings.jwks_uri) as response,
            ):
                response.raise_for_status()
                document = await response.json(content_type=None)
            keys = jwt.PyJWKSet.from_dict(document).keys
        except (aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            raise DependencyFailed("The token issuer's keys cannot be fetched.") from error
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = time.monotonic()
        self._trusted.clear()
