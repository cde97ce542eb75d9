"""The web console: static files at `/console/`, public, for all they show comes from the REST API.

The files are made by `console/`; where they were not built, the answer says how to build them.
"""

from functools import cache, lru_cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import azure.functions as func

from shared.container import container
from shared.http.console import (
    CONFIG,
    INDEX,
    Answer,
    ConsoleConfig,
    ConsoleFiles,
    config_answer,
    config_of,
    security_headers,
)

bp = func.Blueprint()

_ROOT = "/console/"
_FOLDER = Path(__file__).with_name("console_files")
_NOT_BUILT = (
    b"The console was not built. ./odu up and ./odu package build it; by hand: npm ci"
    b" --ignore-scripts and npm run build in console/."
)


def _files() -> ConsoleFiles:
    """The files as they were built last: on a developer's machine that may be after the start."""
    try:
        built_at = (_FOLDER / INDEX).stat().st_mtime_ns
    except FileNotFoundError:
        built_at = 0
    return _files_of(built_at)


@lru_cache(maxsize=1)
def _files_of(built_at: int) -> ConsoleFiles:
    return ConsoleFiles(_FOLDER)


@cache
def _config() -> tuple[ConsoleConfig, dict[str, str]]:
    config = config_of(container().settings)
    return config, security_headers(config)


@bp.route(route="console/{*path}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_console(req: func.HttpRequest) -> func.HttpResponse:
    """Read a file of the console."""
    path = urlsplit(req.url).path
    if not path.startswith(_ROOT):  # `/console`, or another case
        return _redirect(_ROOT + unquote(path)[len(_ROOT) :])
    config, headers = _config()
    request = {name.lower(): value for name, value in req.headers.items()}
    name = unquote(path[len(_ROOT) :])
    if name == CONFIG:
        answer = config_answer(config, request)
    elif (files := _files()).are_built:
        answer = files.answer(name, request)
    else:
        plain = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        answer = Answer(_NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, plain)
    return func.HttpResponse(
        answer.body, status_code=answer.status, headers={**answer.headers, **headers}
    )


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
