"""Sign-in to the API as Microsoft Entra ID does it: of people by authorization code with PKCE, of
the command line by client credentials.

In place of a password there is a page on which one picks a name, roles and instances: this issuer
serves a loopback stack only. Codes are good once and for a minute; refresh tokens are signed, so
that they outlive a restart, and good for a day.
Protocol: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt

from local.cloud.identity.keys import signing_keys
from local.cloud.identity.tokens import (
    ALGORITHM,
    COMMAND_LINE_CLIENT,
    CONSOLE_CLIENT,
    LOCAL_TENANT,
    issuer_of,
    mint,
    object_id,
)

CODE_SECONDS = 60
TOKEN_SECONDS = 3600
REFRESH_SECONDS = 24 * 3600
_MAX_CODES = 1000
"""Codes that wait to be redeemed; the oldest go first."""
_REFRESH_AUDIENCE = "refresh"


class SignInError(Exception):
    """A request that is refused, with the error code of OAuth 2."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request for authorization."""

    redirect: str
    state: str
    nonce: str
    challenge: str
    scope: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Who signed in, and as what."""

    name: str
    roles: tuple[str, ...]
    scope: str
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class _Code:
    grant: Grant
    redirect: str
    challenge: str
    expires: float


class SignIn:
    """The codes and tokens of one issuer.

    `redirects` are the exact addresses that may be returned to, `audience` the API that access
    tokens are for. With `client_secret` the command line proves itself: it is an administrator.
    """

    def __init__(
        self,
        keys: Path,
        *,
        redirects: tuple[str, ...],
        audience: str,
        client_secret: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self.redirects = redirects
        self._audience = audience
        self._client_secret = client_secret
        self._clock = clock
        self._codes: dict[str, _Code] = {}

    def checked(self, query: Mapping[str, str]) -> Request:
        """Read a request for authorization.

        Raises:
            SignInError: it is not one that the console makes.
        """
        if query.get("client_id") != CONSOLE_CLIENT:
            raise SignInError("unauthorized_client", "There is no such client.")
        if query.get("redirect_uri") not in self.redirects:
            raise SignInError("invalid_request", "The redirect address is not registered.")
        if query.get("response_type") != "code":
            raise SignInError("unsupported_response_type", "Only the type 'code' is known.")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise SignInError("invalid_request", "A code challenge of the method S256 is needed.")
        return Request(
            query["redirect_uri"],
            state=query.get("state", ""),
            nonce=query.get("nonce", ""),
            challenge=query["code_challenge"],
            scope=query.get("scope", ""),
        )

    def admitted(self, request: Request, name: str, roles: tuple[str, ...]) -> str:
        """Return the address to go back to, with a code, once somebody has chosen who they are."""
        code = secrets.token_urlsafe(32)
        while len(self._codes) >= _MAX_CODES:
            self._codes.pop(next(iter(self._codes)))
        self._codes[code] = _Code(
            Grant(name, roles, request.scope, request.nonce),
            redirect=request.redirect,
            challenge=request.challenge,
            expires=self._clock() + CODE_SECONDS,
        )
        answer = {"code": code, "state": request.state, "client_info": _client_info(name)}
        return f"{request.redirect}#{urlencode(answer)}"

    def redeemed(self, form: Mapping[str, str], base_url: str) -> dict[str, Any]:
        """Return the token endpoint's answer to a code, a refresh token or client credentials.

        Raises:
            SignInError: it is not good any more, or it is not the caller's.
        """
        if form.get("grant_type") == "client_credentials":
            return self._answer_to_client(form, base_url)
        if form.get("client_id") != CONSOLE_CLIENT:
            raise SignInError("invalid_client", "There is no such client.")
        kind = form.get("grant_type")
        if kind == "authorization_code":
            return self._answer(self._grant_of_code(form), base_url)
        if kind == "refresh_token":
            return self._answer(self._grant_of_refresh(form, base_url), base_url)
        raise SignInError("unsupported_grant_type", "There is no such grant type.")

    def _answer_to_client(self, form: Mapping[str, str], base_url: str) -> dict[str, Any]:
        """https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow"""
        secret = form.get("client_secret", "").encode(errors="surrogateescape")
        if (
            self._client_secret is None
            or form.get("client_id") != COMMAND_LINE_CLIENT
            or not hmac.compare_digest(secret, self._client_secret.encode())
        ):
            raise SignInError("invalid_client", "The client or its secret is not known.")
        grant = Grant("command-line", ("DeviceUpdateAdministrator",), form.get("scope", ""))
        return {
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "ext_expires_in": TOKEN_SECONDS,
            "access_token": self._token(grant, base_url, self._audience, {}),
        }

    def _grant_of_code(self, form: Mapping[str, str]) -> Grant:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires < self._clock():
            raise SignInError("invalid_grant", "The code is unknown, used or too old.")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not hmac.compare_digest(_base64url(digest), code.challenge):
            raise SignInError("invalid_grant", "The code verifier is not that of the challenge.")
        if form.get("redirect_uri") != code.redirect:
            raise SignInError("invalid_grant", "The redirect address is another.")
        return code.grant

    def _grant_of_refresh(self, form: Mapping[str, str], base_url: str) -> Grant:
        token = form.get("refresh_token", "")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(each for each in signing_keys(self._keys) if each.kid == kid)
            claims = jwt.decode(
                token,
                key.private_key.public_key(),
                [ALGORITHM],
                audience=_REFRESH_AUDIENCE,
                issuer=issuer_of(base_url),
            )
        except (jwt.PyJWTError, StopIteration) as error:
            raise SignInError("invalid_grant", "The refresh token is not good any more.") from error
        return Grant(claims["sub"], tuple(claims["roles"]), claims["scope"])

    def _answer(self, grant: Grant, base_url: str) -> dict[str, Any]:
        person = {"name": grant.name, "preferred_username": grant.name}
        about = _base64url(json.dumps(_ids(grant.name)).encode())
        return {
            "token_type": "Bearer",
            "scope": grant.scope,
            "expires_in": TOKEN_SECONDS,
            "ext_expires_in": TOKEN_SECONDS,
            "access_token": self._token(grant, base_url, self._audience, person),
            "refresh_token": self._token(
                grant, base_url, _REFRESH_AUDIENCE, {"scope": grant.scope}, REFRESH_SECONDS
            ),
            "id_token": self._token(
                grant, base_url, CONSOLE_CLIENT, {**person, "nonce": grant.nonce}
            ),
            "client_info": about,
        }

    def _token(
        self,
        grant: Grant,
        base_url: str,
        audience: str,
        further: Mapping[str, object],
        seconds: int = TOKEN_SECONDS,
    ) -> str:
        return mint(
            self._keys,
            issuer=issuer_of(base_url),
            audience=audience,
            tenant=LOCAL_TENANT,
            roles=grant.roles,
            subject=grant.name,
            lifetime_seconds=seconds,
            now=self._clock(),
            further=further,
        )


def _ids(name: str) -> dict[str, str]:
    return {"uid": object_id(LOCAL_TENANT, name), "utid": LOCAL_TENANT}


def _client_info(name: str) -> str:
    return _base64url(json.dumps(_ids(name)).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
