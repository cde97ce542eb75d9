"""The functions of Bicep that the templates call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from tests.infra.site import SUFFIX
from tests.infra.values import SECRET_MARK, Later, Secret, TemplateError

_NAMESPACE = uuid.UUID("9d7cf1b2-6a4f-4d0c-9e55-5fb9b31d2a10")


def _guid(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def _union(*parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _environment() -> dict[str, Any]:
    return {
        "suffixes": {"storage": "core.windows.net"},
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
    }


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *parts: [item for part in parts for item in part],
    "empty": lambda value: value is None or len(value) == 0,
    "environment": _environment,
    "guid": _guid,
    "string": lambda value: json.dumps(value, separators=(",", ":")),
    "subscription": lambda: {
        "id": Later("subscription.id"),
        "subscriptionId": Later("subscription.id"),
    },
    "subscriptionResourceId": lambda kind, name: f"/{kind}/{name}",
    "tenant": lambda: {"tenantId": Later("tenant.id")},
    "union": _union,
    "uniqueString": lambda *_: SUFFIX,
}


def call(read: Callable[[str], str], name: str, arguments: list[Any]) -> Any:
    """The value of a call.

    Raises:
        TemplateError: No template has called this function yet.
    """
    if name.startswith("list"):
        return Secret(SECRET_MARK)
    if name == "loadTextContent":
        return read(arguments[0])
    if name == "loadJsonContent":
        return json.loads(read(arguments[0]))
    if name not in FUNCTIONS:
        raise TemplateError(f"{name}() is not known to this reader")
    return FUNCTIONS[name](*arguments)
