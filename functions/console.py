"""The web console: static files at `/console/`, public: what they show comes from the REST API."""

from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import azure.functions as func

bp = func.Blueprint()

_ROOT = "/console/"


@bp.route(route="console/{*path}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_console(req: func.HttpRequest) -> func.HttpResponse:
    """Read a file of the console."""
    path = urlsplit(req.url).path
    if not path.startswith(_ROOT):  # `/console`, or another case
        return _redirect(_ROOT + unquote(path)[len(_ROOT) :])
    from functions.console_site import answer_to

    answer = answer_to(unquote(path[len(_ROOT) :]), req.headers)
    return func.HttpResponse(answer.body, status_code=answer.status, headers=dict(answer.headers))


@bp.route(route="/", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_front_page(req: func.HttpRequest) -> func.HttpResponse:
    """Lead to the console."""
    return _redirect(_ROOT)


def _redirect(location: str) -> func.HttpResponse:
    return func.HttpResponse(
        b"",
        status_code=HTTPStatus.FOUND,
        headers={"Location": location, "Cache-Control": "no-store"},
    )
