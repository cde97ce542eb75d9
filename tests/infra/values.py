"""What the expressions of a template evaluate to, beside plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET_MARK = "<<secret>>"


class TemplateError(Exception):
    """A template that the resource manager would refuse."""


class Later(str):
    """A value that only a deployment can tell; its text says where it comes from."""

    __slots__ = ()

    def member(self, name: str) -> Later:
        """The value of one of its members."""
        return type(self)(f"{self}.{name}")


class Secret(Later):
    """A key or another secret; a member of it is one too, and its text says which."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource of a template: `id` is unique in the deployment, `body` has its properties."""

    file: str
    type: str
    version: str
    name: str
    id: str
    body: Mapping[str, Any]
    is_existing: bool
    parent: Resource | None = None
    scope: Resource | None = None

    def member(self, name: str) -> Any:
        """What an expression reads of the resource."""
        if name in ("id", "name"):
            return getattr(self, name)
        return Later(f"{self.id}.{name}")

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties."""
        found: Mapping[str, Any] = self.body.get("properties") or {}
        return found


@dataclass(slots=True)
class Module:
    """An evaluated module."""

    outputs: dict[str, Any]

    def member(self, name: str) -> Any:
        """What an expression reads of the module."""
        if name != "outputs":
            raise TemplateError(f"a module has no {name}")
        return self.outputs


@dataclass(slots=True)
class Deployment:
    """Everything that one template deploys, its modules included."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    """The outputs of all files: they stay readable in the history of deployments."""
    unused: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Resource]:
        """The new resources of a type."""
        return [item for item in self.resources if item.type == kind and not item.is_existing]

    def one(self, kind: str) -> Resource:
        """The only new resource of a type."""
        found = self.of(kind)
        if len(found) != 1:
            raise TemplateError(f"{len(found)} resources of type {kind}, not one")
        return found[0]
