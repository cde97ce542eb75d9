"""Where two descriptions of a deployment differ, each as a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.site import ROLE_ASSIGNMENT, Site
from tests.infra.terraform.types import decided
from tests.infra.values import Resource

_FREE_KEYS = "userAssignedIdentities"
"""An object whose keys are values."""
_NAMED_BY_CHANCE = ("Microsoft.Insights/workbooks",)


def differences(bicep: Site, terraform: Site) -> list[str]:
    """What only one of them says of the resources."""
    first, second = (_by_place(site) for site in (bicep, terraform))
    return [
        *(f"only in Bicep: {place}" for place in sorted(first.keys() - second.keys())),
        *(f"only in Terraform: {place}" for place in sorted(second.keys() - first.keys())),
        *(
            f"{place}: {text}"
            for place in sorted(first.keys() & second.keys())
            for text in _unlike(first[place], second[place])
        ),
    ]


def _by_place(site: Site) -> dict[str, Resource]:
    return {_place(item): item for item in site.resources if not item.is_existing}


def _place(resource: Resource) -> str:
    """What stays the same however a resource is named."""
    if resource.type == ROLE_ASSIGNMENT:
        said = resource.properties
        scope = resource.scope.id if resource.scope else ""
        return f"{scope} {said['principalId']} {said['roleDefinitionId']}"
    return resource.type if resource.type in _NAMED_BY_CHANCE else str(resource.id)


def _unlike(first: Resource, second: Resource) -> Iterator[str]:
    said, other = (dict(_leaves(item)) for item in (first, second))
    for path in sorted(said.keys() | other.keys()):
        if said.get(path) != other.get(path):
            yield f"{path} is {said.get(path)!r} in Bicep, {other.get(path)!r} in Terraform"


def _leaves(resource: Resource) -> Iterator[tuple[str, Any]]:
    """The properties that both languages can say, with their values."""
    for steps, value in _walk(resource.body, ()):
        path = ".".join(step for step in steps if not step.isdecimal())
        if path not in decided().get(resource.type, frozenset()) and steps[0] != "tags":
            yield ".".join(steps), value


def _walk(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and _FREE_KEYS not in steps:
        for name, inner in value.items():
            yield from _walk(inner, (*steps, name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*steps, str(index)))
    elif value not in (None, [], {}):
        yield steps, value
