"""Evaluates the Terraform files to the resources that they deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.files import Files
from tests.infra.terraform.expressions import Expressions, Names
from tests.infra.terraform.functions import call
from tests.infra.terraform.syntax import Block, blocks, text
from tests.infra.terraform.translate import Blocks, translated
from tests.infra.terraform.types import kinds
from tests.infra.values import SECRET_MARK, Deployment, Later, Resource, Secret, TemplateError

FOLDER = "terraform"
_META = frozenset({"count", "for_each", "depends_on"})
_TOOLS = frozenset({"lifecycle", "timeouts"})
"""Blocks that are about Terraform, not about the resource."""
_READ: Mapping[str, Mapping[str, Any]] = {
    "azurerm_client_config": {
        "tenant_id": Later("tenant.id"),
        "subscription_id": Later("subscription.id"),
    },
    "azapi_resource_action": {"output": Secret(SECRET_MARK)},
}
"""What data sources and ephemeral resources tell; the keys of a host are secret."""


class _Namespace:
    """Names that are looked up when they are asked for."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find

    def member(self, name: str) -> Any:
        return self._find(name)


@dataclass(frozen=True, slots=True)
class _Instance:
    """One resource as expressions see it."""

    kind: str
    arguments: Mapping[str, Any]
    id: str

    def member(self, name: str) -> Any:
        if name in ("id", "output"):
            return Later(self.id)
        if name == "identity":
            return [{"principal_id": Later(f"{self.id}.identity.principalId")}]
        attributes = kinds()[self.kind].attributes
        if name in attributes:
            return Later(f"{self.id}.{attributes[name]}")
        if name in self.arguments:
            return self.arguments[name]
        raise TemplateError(f"{self.kind} has no attribute {name}")


class Module:
    """The root module with the values of its variables.

    Raises:
        TemplateError: Terraform or a provider would refuse it.
    """

    def __init__(self, given: Mapping[str, Any], files: Files) -> None:
        self._given = dict(given)
        self._files = files
        self._expressions = Expressions(self._lookup, self._call)
        self._variables: dict[str, Block] = {}
        self._locals: dict[str, tuple[str, Any]] = {}
        self._outputs: dict[str, Block] = {}
        self._blocks: dict[tuple[str, str, str], Block] = {}
        self._known: dict[Any, Any] = {}
        self._used: set[str] = set()
        self._by_id: dict[str, Resource] = {}
        self.deployment = Deployment()
        for file in files.named(f"{FOLDER}/*.tf"):
            for block in blocks(file, files.read(file)):
                self._declare(block)
        if unknown := self._given.keys() - self._variables.keys():
            raise TemplateError(f"there is no variable {', '.join(sorted(unknown))}")

    def _declare(self, block: Block) -> None:
        if block.kind == "variable":
            _once(self._variables, block.labels[0], block)
        elif block.kind == "output":
            _once(self._outputs, block.labels[0], block)
        elif block.kind == "locals":
            for name, node in block.attributes.items():
                _once(self._locals, name, (block.file, node))
        elif block.kind in ("resource", "data", "ephemeral"):
            _once(self._blocks, (block.kind, *block.labels), block)

    def run(self) -> Deployment:
        """Evaluate everything."""
        for name in self._variables:
            self._variable(name)
        for name in self._locals:
            self._local(name)
        for key in self._blocks:
            self._each(key)
        for name, block in self._outputs.items():
            value = self._expressions.value(block.attributes["value"], {})
            self.deployment.outputs[name] = value
            self.deployment.shown[f"output {name} of {block.file}"] = value
        declared = {f"var.{name}" for name in self._variables}
        declared |= {f"local.{name}" for name in self._locals}
        declared |= {".".join(key) for key in self._blocks if key[0] != "resource"}
        self.deployment.unused = sorted(declared - self._used)
        return self.deployment

    def _lookup(self, name: str) -> Any:
        if name == "var":
            return _Namespace(self._variable_used)
        if name == "local":
            return _Namespace(self._local_used)
        if name == "path":
            return {"module": FOLDER}
        if name in ("data", "ephemeral"):
            return _Namespace(lambda kind: self._namespace(name, kind))
        if name in kinds():
            return self._namespace("resource", name)
        raise TemplateError(f"{name} is not declared")

    def _namespace(self, mode: str, kind: str) -> _Namespace:
        return _Namespace(lambda name: self._each((mode, kind, name)))

    def _call(self, name: str, arguments: list[Any]) -> Any:
        return call(self._files.read, name, arguments)

    def _variable_used(self, name: str) -> Any:
        self._used.add(f"var.{name}")
        return self._variable(name)

    def _local_used(self, name: str) -> Any:
        self._used.add(f"local.{name}")
        return self._local(name)

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            raise TemplateError(f"var.{name} is not declared")
        block = self._variables[name]
        if name in self._given:
            value = self._given[name]
        elif "default" in block.attributes:
            value = self._expressions.value(block.attributes["default"], {})
        else:
            raise TemplateError(f"the variable {name} is not given")
        for rule in block.blocks:
            known = {"var": {name: value}}
            if not self._expressions.value(rule.attributes["condition"], known):
                raise TemplateError(f"{name} must not be {value!r}")
        return value

    def _local(self, name: str) -> Any:
        if name not in self._locals:
            raise TemplateError(f"local.{name} is not declared")
        if ("local", name) not in self._known:
            value = self._expressions.value(self._locals[name][1], {})
            self._known["local", name] = value
        return self._known["local", name]

    def _each(self, key: tuple[str, str, str]) -> Any:
        """A resource, or a list of it with `count`, or an object with `for_each`."""
        self._used.add(".".join(key))
        if key not in self._blocks:
            raise TemplateError(f"{'.'.join(key)} is not declared")
        if key not in self._known:
            block = self._blocks[key]
            for waited in _waits_for(block):
                if not any(waited == other[1:] for other in self._blocks):
                    raise TemplateError(f"{block.file}: depends_on {'.'.join(waited)}")
            self._known[key] = self._repeated(block)
        return self._known[key]

    def _repeated(self, block: Block) -> Any:
        attributes = block.attributes
        if "count" in attributes:
            count = self._expressions.value(attributes["count"], {})
            return [self._made(block, {"count": {"index": index}}) for index in range(count)]
        if "for_each" in attributes:
            items = self._expressions.value(attributes["for_each"], {})
            return {
                key: self._made(block, {"each": {"key": key, "value": value}})
                for key, value in items.items()
            }
        return self._made(block, {})

    def _made(self, block: Block, names: Names) -> Any:
        kind = block.labels[0]
        arguments = self._body(block, names)
        if block.kind != "resource":
            return _READ[kind]
        made = translated(kind, block.file, arguments, self._find)
        for resource in made:
            if resource.id in self._by_id:
                raise TemplateError(f"{resource.id} is made twice")
            self._by_id[resource.id] = resource
        self.deployment.resources += made
        return _Instance(kind, arguments, str(made[0].id) if made else "")

    def _body(self, block: Block, names: Names) -> dict[str, Any]:
        body = {
            name: self._expressions.value(node, names)
            for name, node in block.attributes.items()
            if name not in _META
        }
        for inner in block.blocks:
            if inner.kind == "dynamic":
                self._dynamic(inner, names, body)
            elif inner.kind not in _TOOLS:
                body.setdefault(inner.kind, Blocks()).append(self._body(inner, names))
        return body

    def _dynamic(self, block: Block, names: Names, body: dict[str, Any]) -> None:
        [kind] = block.labels
        items = self._expressions.value(block.attributes["for_each"], names)
        pairs = items.items() if isinstance(items, Mapping) else enumerate(items)
        [content] = block.blocks
        for key, value in pairs:
            inner = {**names, kind: {"key": key, "value": value}}
            body.setdefault(kind, Blocks()).append(self._body(content, inner))

    def _find(self, identity: str) -> Resource:
        if identity not in self._by_id:
            raise TemplateError(f"there is no {identity}")
        return self._by_id[identity]


def _once(known: dict[Any, Any], name: Any, item: Any) -> None:
    if name in known:
        raise TemplateError(f"{name} is declared twice")
    known[name] = item


def _waits_for(block: Block) -> list[tuple[str, str]]:
    node = block.attributes.get("depends_on")
    listed = text(node).strip("[] \n").split(",") if node is not None else []
    names = [item.strip().split(".") for item in listed if item.strip()]
    return [(name[0], name[1]) for name in names]
