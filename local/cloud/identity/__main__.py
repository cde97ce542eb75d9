"""The issuer over HTTPS: its public documents, sign-in to the console, the order to roll its key.

`python -m local.cloud.identity --state DIR --tls-cert FILE --tls-key FILE`, with the roll order's
key in the environment variable IDENTITY_ADMIN_KEY. People sign in at it with
`--redirect`, `--audience` and `--registration`, the command line with the secret in
IDENTITY_CLIENT_SECRET.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from local.cloud.identity.keys import IdentityError, roll, signing_keys
from local.cloud.identity.sign_in import SignIn
from local.cloud.identity.sign_in_http import Handler, SignInPages
from local.cloud.identity.sign_in_page import AppRole, read_roles
from local.cloud.identity.tokens import ALGORITHM, LOCAL_TENANT, issuer_of
from local.cloud.serving import (
    ServingError,
    add_serving_arguments,
    configure_logging,
    serve_application,
)

ADMIN_KEY_HEADER = "identity-admin-key"
ADMIN_KEY_SETTING = "IDENTITY_ADMIN_KEY"
CLIENT_SECRET_SETTING = "IDENTITY_CLIENT_SECRET"  # noqa: S105 (the name of a variable)

_log = logging.getLogger(__name__)


class Issuer:
    """Request handlers over one folder of signing keys."""

    def __init__(
        self,
        state: Path,
        admin_key: str,
        *,
        sign_in: SignIn | None = None,
        roles: Sequence[AppRole] = (),
        scopes: Sequence[str] = (),
    ) -> None:
        self._state = state
        self._admin_key = admin_key.encode()
        self._pages = (
            SignInPages(sign_in, _base_url, roles=roles, scopes=scopes) if sign_in else None
        )
        signing_keys(state)  # the first key exists before the first request

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/{tenant}/discovery/v2.0/keys", self._keys)
        app.router.add_post("/admin/roll", self._roll)
        if self._pages:
            self._pages.add_to(app, _of_tenant)
        return app

    async def _configuration(self, request: web.Request) -> web.Response:
        tenant = _tenant(request)
        base_url = _base_url(request)
        configuration = {
            "issuer": issuer_of(base_url, tenant),
            "jwks_uri": f"{base_url}/{tenant}/discovery/v2.0/keys",
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        if self._pages is None:
            return web.json_response(configuration)
        return web.json_response(
            configuration | self._pages.configuration(base_url, tenant),
            headers=self._pages.shared_with(request),
        )

    async def _keys(self, request: web.Request) -> web.Response:
        tenant = _tenant(request)
        issuer = issuer_of(_base_url(request), tenant)
        keys = await asyncio.to_thread(signing_keys, self._state)
        return web.json_response({"keys": [{**key.public_jwk(), "issuer": issuer} for key in keys]})

    async def _roll(self, request: web.Request) -> web.Response:
        given = request.headers.get(ADMIN_KEY_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._admin_key):
            raise web.HTTPUnauthorized
        key = await asyncio.to_thread(roll, self._state)
        _log.info("signing key %s signs from now on", key.kid)
        return web.json_response({"kid": key.kid})


def _of_tenant(handler: Handler) -> Handler:
    """Refuse what is asked for another tenant."""

    async def serve(request: web.Request) -> web.StreamResponse:
        _tenant(request)
        return await handler(request)

    return serve


def _tenant(request: web.Request) -> str:
    tenant = request.match_info["tenant"]
    if tenant.lower() != LOCAL_TENANT:
        raise web.HTTPBadRequest(
            text='{"error":"invalid_tenant","error_description":"Tenant not found."}',
            content_type="application/json",
        )
    return LOCAL_TENANT


def _base_url(request: web.Request) -> str:
    """The issuer has one name, whatever name the caller used for this machine."""
    assert request.transport is not None
    port: int = request.transport.get_extra_info("sockname")[1]
    return f"https://localhost:{port}"


def main() -> None:
    """Run the issuer until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud.identity", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder of keys")
    parser.add_argument("--audience", default="", metavar="API", help="who access tokens are for")
    parser.add_argument(
        "--redirect", action="append", default=[], metavar="URL", help="where people may return to"
    )
    parser.add_argument("--registration", type=Path, metavar="FILE", help="JSON with its roles")
    parser.add_argument(
        "--role-scope", action="append", default=[], metavar="ID", help="what roles may be for"
    )
    add_serving_arguments(parser)
    args = parser.parse_args()
    configure_logging()
    admin_key = os.environ.get(ADMIN_KEY_SETTING)
    if not admin_key:
        parser.error(f"environment variable {ADMIN_KEY_SETTING} is missing")
    try:
        asyncio.run(serve_application(args, _issuer(args, admin_key).application()))
    except (IdentityError, ServingError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _issuer(args: argparse.Namespace, admin_key: str) -> Issuer:
    if not args.redirect:
        return Issuer(args.state, admin_key)
    sign_in = SignIn(
        args.state,
        redirects=tuple(args.redirect),
        audience=args.audience,
        client_secret=os.environ.get(CLIENT_SECRET_SETTING) or None,
    )
    roles = read_roles(args.registration)
    return Issuer(args.state, admin_key, sign_in=sign_in, roles=roles, scopes=args.role_scope)


if __name__ == "__main__":
    main()
