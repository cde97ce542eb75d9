"""Values that the templates must give, as the table `facts.toml` has them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.site import Site
from tests.infra.values import Resource


@dataclass(frozen=True, slots=True)
class Fact:
    """What a property of a type of resource must be, and the page that says so."""

    about: str
    type: str
    path: str
    values: tuple[Any, ...]
    source: str
    name: str = ""
    only: str = ""
    optional: bool = False

    def is_about(self, site: Site, resource: Resource) -> bool:
        """Whether it holds for a resource of a deployment."""
        place = "private" if site.is_private else "public"
        return resource.name.startswith(self.name) and self.only in ("", place)


@cache
def facts() -> tuple[Fact, ...]:
    """The table."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(Fact(**{**item, "values": tuple(item["values"])}) for item in content["fact"])


def facts_broken(site: Site) -> Iterator[str]:
    """Where a deployment says something else."""
    for fact in facts():
        for resource in site.of(fact.type):
            if fact.is_about(site, resource):
                found = list(_at(resource.body, fact.path.split(".")))
                if not found and not fact.optional:
                    yield f"{resource.name}: {fact.path} is not said; {fact.about}"
                for value in found:
                    if value not in fact.values or type(value) not in map(type, fact.values):
                        yield f"{resource.name}: {fact.path} is {value!r}; {fact.about}"


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a path, those of all elements of an array."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
