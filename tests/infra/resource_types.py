"""What the templates say of resources, held against a table of what they may say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.terraform.module import FOLDER
from tests.infra.terraform.types import decided
from tests.infra.values import Resource

_FREE_KEYS = ("tags", "userAssignedIdentities")
"""Objects whose keys are values."""
_SETTINGS = "Microsoft.Web/sites/config"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource: the version in use and the paths of properties it may and must have."""

    version: str
    source: str
    properties: frozenset[str]
    required: frozenset[str]


@cache
def table() -> Mapping[str, ResourceType]:
    """The table, by type."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {
        name: ResourceType(
            entry["version"],
            entry["source"],
            frozenset(entry["properties"]),
            frozenset(entry.get("required", ())),
        )
        for name, entry in content.items()
    }


def property_paths(resource: Resource) -> set[str]:
    """The paths of a resource's properties, elements of arrays taken together."""
    if resource.type == _SETTINGS:
        return {"properties"}
    return set(_paths(resource.body, "")) - {"tags"}


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value and path.rpartition(".")[2] not in _FREE_KEYS:
        for name, inner in value.items():
            yield from _paths(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for item in value:
            yield from _paths(item, path)
    elif path:
        yield path


def wrong(resource: Resource) -> Iterator[str]:
    """What the table does not allow."""
    is_terraform = resource.file.startswith(f"{FOLDER}/")
    known = table().get(resource.type)
    where = f"{resource.file}: {resource.type}"
    if known is None:
        yield f"{where} is not in the table"
        return
    # providers of Terraform choose the version of most resources by themselves
    if resource.version not in (known.version, *([""] if is_terraform else [])):
        yield f"{where} has version {resource.version}, not {known.version}"
    if resource.is_existing:
        return
    paths = property_paths(resource)
    left = decided().get(resource.type, frozenset()) if is_terraform else frozenset()
    yield from (f"{where}: unknown {path}" for path in sorted(paths - known.properties))
    yield from (f"{where}: {path} is missing" for path in sorted(known.required - paths - left))
