"""The console's files and configuration, loaded when somebody first asks for them.

The files are made by `console/`; where they were not built, the answer says how to build them.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from http import HTTPStatus
from pathlib import Path

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


def answer_to(name: str, headers: Mapping[str, str]) -> Answer:
    """The answer to a request for a file, with every security header."""
    config, security = _config()
    request = {key.lower(): value for key, value in headers.items()}
    if name == CONFIG:
        answer = config_answer(config, request)
    elif (files := _files()).are_built:
        answer = files.answer(name, request)
    else:
        plain = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        answer = Answer(_NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, plain)
    return Answer(answer.body, answer.status, {**answer.headers, **security})
