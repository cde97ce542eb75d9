"""The functions of Terraform that the files call."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.infra.site import SUFFIX
from tests.infra.values import Later, TemplateError


def _one(items: list[Any]) -> Any:
    if len(items) > 1:
        raise TemplateError("one() of more than one")
    return items[0] if items else None


def _merge(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _lower(value: str) -> str:
    """Ids that only a deployment can tell are kept as they are, so that they can be compared."""
    return value if isinstance(value, Later) or "/Microsoft." in value else value.lower()


def _set(items: Iterable[str]) -> dict[str, str]:
    """A set, as `for_each` takes it: each value is its own key."""
    return {item: item for item in items}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *parts: [item for part in parts for item in part],
    "contains": lambda items, item: item in items,
    "jsondecode": json.loads,
    "jsonencode": lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True),
    "keys": sorted,
    "length": len,
    "lower": _lower,
    "merge": _merge,
    "one": _one,
    "provider::azapi::unique_string": lambda _: SUFFIX,
    "setproduct": lambda *parts: [list(items) for items in itertools.product(*parts)],
    "setsubtract": lambda items, others: [item for item in items if item not in others],
    "toset": _set,
    "trimprefix": lambda value, prefix: value.removeprefix(prefix),
    "trimsuffix": lambda value, suffix: value.removesuffix(suffix),
    "uuidv5": lambda space, name: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{space}{name}")),
}


def call(read: Callable[[str], str], name: str, arguments: list[Any]) -> Any:
    """The value of a call; `read` tells what a file says.

    Raises:
        TemplateError: No file has called this function yet.
    """
    if name == "file":
        return read(arguments[0])
    if name not in FUNCTIONS:
        raise TemplateError(f"{name}() is not known to this reader")
    return FUNCTIONS[name](*arguments)
