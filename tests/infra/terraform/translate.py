"""KeyedLocks what Terraform's resources say into the resources that the resource manager gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.infra.roles import ROLES
from tests.infra.terraform.types import Argument, Kind, kinds, split
from tests.infra.values import Later, Resource, TemplateError

Body = Mapping[str, Any]
Find = Callable[[str], Resource]
"""A resource by its id."""

_ROLE_IDS = {name: number for number, name in ROLES.items()}
_BY: dict[str, Callable[[Any], Any]] = {
    "access": lambda value: {"private": "None"}[value],
    "enabled": lambda value: "Enabled" if value else "Disabled",
    "first": lambda values: values[0],
    "keys": lambda values: {value: {} for value in values},
    "linux": lambda value: value == "Linux",
    "negated": lambda value: not value,
    "role": lambda name: f"/Microsoft.Authorization/roleDefinitions/{_ROLE_IDS[name]}",
    "standard": lambda value: f"Standard_{value}",
    "zones": lambda values: [{"properties": {"privateDnsZoneId": value}} for value in values],
}
_AZAPI = ("azapi_resource", "azapi_resource_action", "azapi_update_resource")
_GROUP = "/Microsoft.Resources/resourceGroups/"


def translated(kind: str, file: str, body: Body, find: Find) -> list[Resource]:
    """The resources that one resource of Terraform makes, its own first.

    Raises:
        TemplateError: It says something that the table does not know.
    """
    if kind not in kinds():
        raise TemplateError(f"{file}: {kind} is not in the table")
    if kind in _AZAPI:
        return [_direct(kind, file, body, find)]
    return _mapped(kinds()[kind], file, kind, body, find)


def _direct(kind: str, file: str, body: Body, find: Find) -> Resource:
    """A resource of azapi says by itself what the resource manager gets."""
    for path, _, _ in _leaves({key: value for key, value in body.items() if "body" not in key}):
        if path not in kinds()[kind].arguments:
            raise TemplateError(f"{file}: {kind} has no argument {path}")
    of, _, version = str(body["type"]).partition("@")
    said = _merged(body.get("body") or {}, body.get("sensitive_body") or {})
    if "location" in body:
        said["location"] = body["location"]
    for identity in body.get("identity", ()):
        said["identity"] = {
            "type": identity["type"],
            "userAssignedIdentities": _BY["keys"](identity["identity_ids"]),
        }
    if "resource_id" in body:
        owner, separator, rest = str(body["resource_id"]).partition("/providers/")
        if separator:
            return _resource(file, of, version, rest.rpartition("/")[2], said, scope=find(owner))
        owner, _, name = str(body["resource_id"]).rsplit("/", 2)
        return _resource(file, of, version, name, said, parent=find(owner))
    owner = str(body["parent_id"])
    parent = None if owner.startswith(_GROUP) else find(owner)
    return _resource(file, of, version, str(body["name"]), said, parent=parent)


def _mapped(kind: Kind, file: str, name: str, body: Body, find: Find) -> list[Resource]:
    parts: dict[str, dict[str, Any]] = {"": {}}
    for path, indices, value in _leaves(body):
        argument = kind.arguments.get(path)
        if argument is None:
            raise TemplateError(f"{file}: {name} has no argument {path}")
        if argument.only is not None and value != argument.only:
            raise TemplateError(f"{file}: {path} must be {argument.only!r}")
        for target in argument.paths:
            part, where = split(target)
            put = _BY[argument.by](value) if argument.by else value
            _put(parts.setdefault(part, {}), where.split("."), _kept(argument, indices), put)
    for target, value in kind.defaults.items():
        part, where = split(target)
        _put(parts.setdefault(part, {}), where.split("."), [], value)
    if kind.into:
        _add(find(str(body[kind.into])).body, parts[""])
        return []
    main = _resource(
        file,
        kind.type,
        "",
        kind.name.format_map(body),
        parts.pop(""),
        parent=find(kind.parent.format_map(body)) if kind.parent else None,
        scope=find(str(body[kind.scope])) if kind.scope else None,
    )
    return [main, *_parts(main, {part: parts.get(part, {}) for part in (*kind.adds, *parts)})]


def _parts(owner: Resource, parts: Mapping[str, dict[str, Any]]) -> Iterator[Resource]:
    for part, said in parts.items():
        of, _, name = part.partition("/")
        yield _resource(owner.file, f"{owner.type}/{of}", "", name, said, parent=owner)


def _resource(
    file: str,
    of: str,
    version: str,
    name: str,
    said: Body,
    *,
    parent: Resource | None = None,
    scope: Resource | None = None,
) -> Resource:
    if parent is not None and not of.startswith(f"{parent.type}/"):
        parent, scope = None, parent
    if parent is not None:
        identity = f"{parent.id}/{of.rpartition('/')[2]}/{name}"
    else:
        identity = f"{scope.id if scope else ''}/{of}/{name}"
    return Resource(file, of, version, name, Later(identity), said, False, parent, scope)


def _leaves(
    body: Body, path: str = "", indices: tuple[int, ...] = ()
) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Each argument with the positions of the blocks around it; blocks are lists of objects."""
    for name, value in body.items():
        inner = f"{path}.{name}" if path else name
        if isinstance(value, Blocks):
            for index, block in enumerate(value):
                yield from _leaves(block, inner, (*indices, index))
        elif value is not None:
            yield inner, indices, value


class Blocks(list[Any]):
    """The blocks of one name, to tell them from a list that is a value."""


def _kept(argument: Argument, indices: tuple[int, ...]) -> list[int]:
    """The positions of those blocks that may be repeated."""
    kept = []
    for index, is_repeated in zip(indices, argument.repeated, strict=True):
        if is_repeated:
            kept.append(index)
        elif index:
            raise TemplateError("a block that may be given once is given twice")
    return kept


def _put(target: dict[str, Any], path: list[str], indices: list[int], value: Any) -> None:
    name, *rest = path
    bare = name.removesuffix("[]")
    if not rest:
        target[bare] = value
    elif name == bare:
        _put(target.setdefault(bare, {}), rest, indices, value)
    else:
        index, *others = indices or [0]
        items = target.setdefault(bare, [])
        while len(items) <= index:
            items.append({})
        _put(items[index], rest, others, value)


def _add(whole: Body, part: Body) -> None:
    """Put one body into another, lists joined."""
    assert isinstance(whole, dict)
    for name, value in part.items():
        if isinstance(value, Mapping):
            _add(whole.setdefault(name, {}), value)
        elif isinstance(value, list):
            whole[name] = [*whole.get(name, ()), *value]
        else:
            whole[name] = value


def _merged(whole: Body, other: Body) -> dict[str, Any]:
    result: dict[str, Any] = dict(json.loads(json.dumps(whole)))
    for name, value in other.items():
        is_both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = _merged(result[name], value) if is_both else value
    return result
