"""The access keys of the host and who they let in.

A key file holds `{"master": "...", "host": {...}, "system": {...}, "function": {name: {...}}}`.
Every comparison takes the same time whatever the presented key.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp.web import BaseRequest

from local.cloud.functions_host.errors import StartError

EVENT_GRID_KEY = "eventgrid_extension"
BLOBS_KEY = "blobs_extension"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one host, by what they open."""

    master: str = field(repr=False)
    host: Mapping[str, str] = field(default_factory=dict, repr=False)
    system: Mapping[str, str] = field(default_factory=dict, repr=False)
    function: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def opens_admin(self, given: str | None) -> bool:
        """Say whether a key opens /admin and functions of level admin."""
        return _any_equal(given, (self.master,))

    def opens_function(self, name: str, given: str | None) -> bool:
        """Say whether a key opens a function of level function."""
        own = self.function.get(name, {}).values()
        return _any_equal(given, (self.master, *self.host.values(), *own))

    def opens_webhook(self, extension: str, given: str | None) -> bool:
        """Say whether a key opens the webhook of an extension."""
        own = self.system.get(extension)
        return _any_equal(given, (self.master, own) if own else (self.master,))


def given_key(request: BaseRequest) -> str | None:
    """Return the key that a request presents: the header counts before the query."""
    return request.headers.get("x-functions-key") or request.query.get("code")


def _any_equal(given: str | None, accepted: Iterable[str]) -> bool:
    presented = (given or "").encode()
    found = False
    for key in accepted:
        found |= hmac.compare_digest(presented, key.encode())
    return found and bool(presented)


def load_or_create_keys(path: Path) -> Keys:
    """Read the key file, or make one with random keys that only its owner can read."""
    if not path.exists():
        _create(path)
    try:
        document = json.loads(path.read_text("utf-8"))
        return Keys(
            master=_text(document["master"]),
            host=_texts(document.get("host", {})),
            system=_texts(document.get("system", {})),
            function={n: _texts(keys) for n, keys in document.get("function", {}).items()},
        )
    except OSError as error:
        raise StartError(f"keys file {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartError(
            f"keys file {path}: expected an object of master, host, system and function keys"
        ) from error


def _create(path: Path) -> None:
    document = {
        "master": secrets.token_urlsafe(32),
        "host": {"default": secrets.token_urlsafe(32)},
        "system": {name: secrets.token_urlsafe(32) for name in (EVENT_GRID_KEY, BLOBS_KEY)},
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(f"keys file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a key is a string that is not empty")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {name: _text(key) for name, key in value.items()}
