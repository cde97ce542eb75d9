"""Minting of access tokens in the shape of Microsoft Entra ID's v2.0 application tokens.

Needs the state folder only, not the running issuer.
Claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import jwt

from local.cloud.identity.keys import IdentityError, SigningKey, signing_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOCAL_TENANT = "5f0c9a52-7d34-4c0e-9b1e-2a6d0d75e001"
"""Id of the only tenant that the local issuer serves."""

CONSOLE_CLIENT = "1f7f3c1e-6a3b-4a57-9d0e-9b7f4f1c2c10"
"""Id of the application that the web console signs in as."""
COMMAND_LINE_CLIENT = "7c2b5d0e-93c4-4b52-8f0b-2d1f6a9be311"
"""Id of the application that the command line takes tokens as; it has a secret."""

ALGORITHM = "RS256"


def issuer_of(base_url: str, tenant: str = LOCAL_TENANT) -> str:
    """Return the issuer claim of a tenant's tokens; `base_url` has no slash at its end."""
    return f"{base_url}/{tenant}/v2.0"


def token_endpoint_of(base_url: str, tenant: str = LOCAL_TENANT) -> str:
    """Return where tokens are asked for; `base_url` has no slash at its end."""
    return f"{base_url}/{tenant}/oauth2/v2.0/token"


def mint(
    state: Path,
    *,
    issuer: str,
    audience: str,
    tenant: str,
    roles: Sequence[str],
    subject: str,
    lifetime_seconds: int = 3600,
    now: float | None = None,
    kid: str | None = None,
    further: Mapping[str, object] | None = None,
) -> str:
    """Return a signed token.

    Args:
        state: the issuer's folder of keys; a first key is made if it is empty.
        issuer: see `issuer_of`.
        audience: the API that the token is for.
        tenant: tenant id.
        roles: application roles granted to the subject.
        subject: name of the caller; its object id is derived from it.
        lifetime_seconds: validity from `now` on; may be negative to get an expired token.
        now: time of issue in seconds since 1970; the current time if None.
        kid: key to sign with; the newest if None.
        further: claims besides the ones above.

    Raises:
        IdentityError: there is no such key, or a key file is damaged.
    """
    issued_at = int(time.time() if now is None else now)
    key = _choose(signing_keys(state), kid)
    claims = {
        "iss": issuer,
        "aud": audience,
        "tid": tenant,
        "oid": object_id(tenant, subject),
        "sub": subject,
        "name": subject,
        "roles": list(roles),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + lifetime_seconds,
        "ver": "2.0",
        **(further or {}),
    }
    return jwt.encode(claims, key.private_key, ALGORITHM, headers={"kid": key.kid})


def object_id(tenant: str, subject: str) -> str:
    """Return the id that the tenant knows a subject by."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant}/{subject}"))


def _choose(keys: list[SigningKey], kid: str | None) -> SigningKey:
    if kid is None:
        return keys[0]
    for key in keys:
        if key.kid == kid:
            return key
    raise IdentityError(f"no signing key with id {kid}")
