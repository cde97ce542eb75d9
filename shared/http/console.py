"""The web console's files as they are served: which file, in which encoding, with which headers.

The files are what `console/` builds into `functions/console_files`. A path is looked up in the list
of what was built, never on the disk, so that no path leads out of the folder. What the list lacks
is a page of the console, unless it lies below `assets/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from shared.http.route import API_VERSIONS
from shared.settings import Connection, Settings

INDEX = "index.html"
CONFIG = "config.json"
ASSETS = "assets/"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""Fluent adds empty style elements and fills them by script: this is the hash of nothing."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
_FOREVER = "public, max-age=31536000, immutable"
_NO_CACHE = "no-cache"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for a path of the console."""

    body: bytes
    status: HTTPStatus
    headers: Mapping[str, str]


class ConsoleFiles:
    """The built files of one folder; read when first asked for, then kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = frozenset(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        self._read = lru_cache(maxsize=256)(self._load)

    @property
    def are_built(self) -> bool:
        """Whether there is a console to serve."""
        return INDEX in self._names

    def answer(self, path: str, request: Mapping[str, str]) -> Answer:
        """The answer for a path below `/console/`; `request` are the headers, in lower case."""
        name = path if path in self._names and not path.endswith((".br", ".gz")) else INDEX
        if name == INDEX and path.startswith(ASSETS):
            return Answer(b"", HTTPStatus.NOT_FOUND, {"Cache-Control": _NO_CACHE})
        encoding, stored = self._encoded(name, request.get("accept-encoding", ""))
        body, tag = self._read(stored)
        headers = {
            "Content-Type": _TYPES.get(Path(name).suffix, "application/octet-stream"),
            "Cache-Control": _FOREVER if name.startswith(ASSETS) else _NO_CACHE,
            "Vary": "Accept-Encoding",
            "ETag": tag,
        }
        if request.get("if-none-match") == tag:
            return Answer(b"", HTTPStatus.NOT_MODIFIED, headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        return Answer(body, HTTPStatus.OK, headers)

    def _encoded(self, name: str, accepted: str) -> tuple[str, str]:
        """The best encoding that the caller takes and the build has made, and its file."""
        offered = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
        for encoding, suffix in _ENCODINGS:
            if encoding in offered and name + suffix in self._names:
                return encoding, name + suffix
        return "", name

    def _load(self, name: str) -> tuple[bytes, str]:
        body = (self._folder / name).read_bytes()
        return body, _tag(body)


class ConsoleConfig(msgspec.Struct, frozen=True, rename="camel"):
    """What the console must know before anybody is signed in; holds nothing secret."""

    authority: str
    known_authority: str
    client_id: str | None
    scope: str
    api_version: str
    blob_origin: str | None
    is_local: bool


def config_of(settings: Settings) -> ConsoleConfig:
    """The console's configuration, from the app settings."""
    authority = settings.console_authority
    host = urlsplit(authority).netloc
    return ConsoleConfig(
        authority=authority,
        known_authority=host,
        client_id=settings.console_client_id,
        scope=f"{settings.tokens.audience}/.default",
        api_version=API_VERSIONS[-1],
        blob_origin=blob_origin(settings.content),
        is_local=urlsplit(authority).hostname == "localhost",
    )


def config_answer(config: ConsoleConfig, request: Mapping[str, str]) -> Answer:
    """The configuration as it is sent; `request` are the headers, in lower case."""
    body = msgspec.json.encode(config)
    headers = {"Content-Type": _TYPES[".json"], "Cache-Control": _NO_CACHE, "ETag": _tag(body)}
    if request.get("if-none-match") == headers["ETag"]:
        return Answer(b"", HTTPStatus.NOT_MODIFIED, headers)
    return Answer(body, HTTPStatus.OK, headers)


def security_headers(config: ConsoleConfig) -> dict[str, str]:
    """The headers that every answer has: what the page may load, run and call."""
    authority = urlsplit(config.authority)
    origins = [f"{authority.scheme}://{authority.netloc}", config.blob_origin]
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {_EMPTY_STYLE}",
        "img-src": "'self'",
        "connect-src": " ".join(["'self'", *filter(None, origins)]),
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "console",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {text}" for name, text in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def blob_origin(content: Connection) -> str | None:
    """Where the browser uploads files to: the origin of the content account's blob service."""
    parts = dict(
        part.split("=", 1) for part in (content.connection_string or "").split(";") if "=" in part
    )
    address = content.blob_uri or parts.get("BlobEndpoint")
    if not address and "AccountName" in parts:
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        address = f"https://{parts['AccountName']}.blob.{suffix}"
    if not address:
        return None
    split = urlsplit(address)
    return f"{split.scheme}://{split.netloc}"


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
