"""What Terraform's resources take, and what each argument means to the resource manager."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Argument:
    """Where an argument ends up: paths of properties, and how its value is changed on the way.

    `repeated` says for each block around the argument whether it may be given more than once.
    Without paths it says where the resource is, or something that has to be `only`.
    """

    paths: tuple[str, ...]
    repeated: tuple[bool, ...]
    by: str
    only: Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of resource of a provider.

    `name` and `parent` are made of its arguments; `scope` is the argument that names what it
    extends, `into` the one that names the resource it is part of. `adds` are resources that the
    provider makes with it, `decides` the properties that it chooses by itself.
    """

    type: str
    source: str
    name: str
    parent: str
    scope: str
    into: str
    arguments: Mapping[str, Argument]
    attributes: Mapping[str, str]
    defaults: Mapping[str, Any]
    adds: tuple[str, ...]
    decides: frozenset[str]


@cache
def kinds() -> Mapping[str, Kind]:
    """The table, by type."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {name: _kind(entry) for name, entry in content.items()}


@cache
def decided() -> Mapping[str, frozenset[str]]:
    """What the providers choose by themselves, by the type that the resource manager knows."""
    found: dict[str, frozenset[str]] = {}
    for kind in kinds().values():
        for target in kind.decides:
            part, path = split(target)
            of = f"{kind.type}/{part.partition('/')[0]}" if part else kind.type
            found[of] = found.get(of, frozenset()) | {path}
    return found


def split(target: str) -> tuple[str, str]:
    """The part and the path of `part: path`; without a part the resource itself is meant."""
    part, _, path = target.rpartition(": ")
    return part, path


def _kind(entry: Mapping[str, Any]) -> Kind:
    return Kind(
        type=entry.get("type", ""),
        source=entry["source"],
        name=entry.get("name", "{name}"),
        parent=entry.get("parent", ""),
        scope=entry.get("scope", ""),
        into=entry.get("into", ""),
        arguments={
            key.replace("[]", ""): _argument(key, given)
            for key, given in entry["arguments"].items()
        },
        attributes=entry.get("attributes", {}),
        defaults=entry.get("defaults", {}),
        adds=tuple(entry.get("adds", ())),
        decides=frozenset(entry.get("decides", ())),
    )


def _argument(key: str, given: Any) -> Argument:
    entry = given if isinstance(given, Mapping) else {"to": given}
    paths = entry.get("to", ())
    return Argument(
        (paths,) if isinstance(paths, str) and paths else tuple(paths),
        tuple(part.endswith("[]") for part in key.split(".")[:-1]),
        entry.get("by", ""),
        entry.get("only"),
    )
