"""The sign-in endpoints over HTTP, and the page on which one picks who to be."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from local.cloud.identity.sign_in import SignIn, SignInError
from local.cloud.identity.sign_in_page import STYLE, AppRole, page
from local.cloud.identity.tokens import token_endpoint_of

_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_MAX_NAME = 64
EVERYTHING = "*"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SignInPages:
    """Request handlers of the authorize, token and logout endpoints."""

    def __init__(
        self,
        sign_in: SignIn,
        base_url: Callable[[web.Request], str],
        *,
        roles: Sequence[AppRole],
        scopes: Sequence[str],
    ) -> None:
        self._sign_in = sign_in
        self._roles = tuple(roles)
        self._scopes = tuple(scopes)
        self._base_url = base_url
        self._origins = {_origin(redirect) for redirect in sign_in.redirects}

    def add_to(self, app: web.Application, checked: Callable[[Handler], Handler]) -> None:
        """Add the routes; `checked` refuses other tenants."""
        prefix = "/{tenant}/oauth2/v2.0"
        app.router.add_get(f"{prefix}/authorize", checked(self._authorize))
        app.router.add_post(f"{prefix}/token", checked(self._token))
        app.router.add_options(f"{prefix}/token", checked(self._preflight))
        app.router.add_get(f"{prefix}/logout", checked(self._logout))

    def configuration(self, base_url: str, tenant: str) -> dict[str, Any]:
        """What the issuer's configuration says of signing in."""
        prefix = f"{base_url}/{tenant}/oauth2/v2.0"
        return {
            "authorization_endpoint": f"{prefix}/authorize",
            "token_endpoint": token_endpoint_of(base_url, tenant),
            "end_session_endpoint": f"{prefix}/logout",
            "response_modes_supported": ["fragment"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["openid", "profile", "offline_access"],
        }

    def shared_with(self, request: web.Request) -> dict[str, str]:
        """The header that lets the console's pages, and no others, read an answer."""
        origin = request.headers.get("Origin", "")
        allowed = {"Access-Control-Allow-Origin": origin} if origin in self._origins else {}
        return {**allowed, "Vary": "Origin"}

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = self._sign_in.checked(request.query)
            if "role" not in request.query:
                return self._picker(request)
            name, roles = self._choice(request.query)
        except SignInError as error:
            return _page(error.code, f"<p>{escape(str(error))}</p>", status=400)
        raise web.HTTPFound(self._sign_in.admitted(wanted, name, roles), headers=_NO_STORE)

    def _choice(self, query: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        """The name and the roles that were picked; a role named '' stands for none at all."""
        name = query.get("name", "").strip()
        if not 0 < len(name) <= _MAX_NAME:
            raise SignInError("invalid_request", f"A name has 1 to {_MAX_NAME} characters.")
        role, scope = query["role"], query.get("scope_of_role", EVERYTHING)
        if scope not in (EVERYTHING, *self._scopes):
            raise SignInError("invalid_request", "There is no such scope.")
        if role not in ("", *(each.value for each in self._roles)):
            raise SignInError("invalid_request", "There is no such role.")
        if not role:
            return name, ()
        return name, (role if scope == EVERYTHING else f"{role}/{scope}",)

    def _picker(self, request: web.Request) -> web.Response:
        origins = " ".join(sorted(self._origins))
        return _page(
            "Sign in",
            page(request.query, self._roles, self._scopes, everything=EVERYTHING),
            form_action=f"'self' {origins}",
        )

    async def _token(self, request: web.Request) -> web.Response:
        headers = {**_NO_STORE, **self.shared_with(request)}
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            answer = self._sign_in.redeemed(form, self._base_url(request))
        except SignInError as error:
            refusal = {"error": error.code, "error_description": str(error)}
            return web.json_response(refusal, status=400, headers=headers)
        return web.json_response(answer, headers=headers)

    async def _preflight(self, request: web.Request) -> web.Response:
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "600",
        }
        return web.Response(status=204, headers={**allowed, **self.shared_with(request)})

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        back = request.query.get("post_logout_redirect_uri", "")
        if back not in self._sign_in.redirects:
            return _page("Signed out", "<p>You may close this page.</p>")
        raise web.HTTPFound(back, headers=_NO_STORE)


def _page(title: str, body: str, *, status: int = 200, form_action: str = "'none'") -> web.Response:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} - Open Device Update</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {**_NO_STORE, "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def _origin(address: str) -> str:
    split = urlsplit(address)
    return f"{split.scheme}://{split.netloc}"
