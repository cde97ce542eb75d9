"""The API's description, for programs and for people; public, for it says nothing of an instance.

The document is made when it is first asked for.
"""

import json
from functools import cache
from typing import Any

import azure.functions as func

bp = func.Blueprint()

_HEADERS = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}


def description() -> str:
    """The OpenAPI document as it is served and committed."""
    return json.dumps(_described(), indent=2, ensure_ascii=False) + "\n"


def _described() -> dict[str, Any]:
    from functions.resources import routes
    from shared.http.openapi import document

    return document(routes())


@cache
def _document() -> str:
    return description()


@cache
def _page() -> str:
    from shared.http.openapi_page import page

    return page(_described())


@bp.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_openapi_document(req: func.HttpRequest) -> func.HttpResponse:
    """Read the OpenAPI document."""
    return func.HttpResponse(_document(), mimetype="application/json", headers=_HEADERS)


@bp.route(route="openapi", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_openapi_page(req: func.HttpRequest) -> func.HttpResponse:
    """Read the description of the API as a page."""
    from shared.http.openapi_page import CONTENT_SECURITY_POLICY

    headers = {**_HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return func.HttpResponse(_page(), mimetype="text/html", charset="utf-8", headers=headers)
