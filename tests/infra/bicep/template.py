"""Evaluates a Bicep file and its modules to the resources that they deploy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from tree_sitter import Node

from tests.infra.bicep.expressions import Expressions
from tests.infra.bicep.syntax import declarations, decorators, errors, parse
from tests.infra.files import Files
from tests.infra.values import Deployment, Later, Module, Resource, TemplateError

_KINDS = ("parameter", "variable", "resource", "module", "output")
_NOT_BODY = ("parent", "scope", "dependsOn", "name")


class Template:
    """One Bicep file with the values of its parameters.

    Args:
        file: Path below `infra/`.
        parameters: Their values.
        deployment: Takes what the file deploys.
        files: Where its source is.

    Raises:
        TemplateError: The resource manager would refuse it.
    """

    def __init__(
        self,
        file: str,
        parameters: Mapping[str, Any],
        deployment: Deployment,
        files: Files,
    ) -> None:
        self._file = file
        self._files = files
        self._folder = PurePosixPath(file).parent
        self._deployment = deployment
        root = parse(files.read(file))
        if wrong := list(errors(root)):
            raise TemplateError(f"{file}: {wrong[0]}")
        found = {kind: declarations(root, kind) for kind in _KINDS}
        self._outputs = found.pop("output")
        self._declared = {
            name: (kind, node) for kind, nodes in found.items() for name, node in nodes.items()
        }
        self._given = dict(parameters)
        self._known: dict[str, Any] = {}
        self._used: set[str] = set()
        self._expressions = Expressions(self._read, self._lookup)
        if unknown := self._given.keys() - found["parameter"].keys():
            raise TemplateError(f"{file} has no parameter {', '.join(sorted(unknown))}")

    def run(self) -> dict[str, Any]:
        """Evaluate everything that is declared and return the outputs."""
        for name in self._declared:
            self._value(name)
        outputs = {
            name: self._expressions.value(node.named_children[-1], {})
            for name, node in self._outputs.items()
        }
        self._deployment.shown |= {
            f"output {name} of {self._file}": value for name, value in outputs.items()
        }
        self._deployment.unused += [
            f"{self._file}: {name}"
            for name, (kind, _) in self._declared.items()
            if kind in ("parameter", "variable") and name not in self._used
        ]
        return outputs

    def _read(self, path: str) -> str:
        return self._files.read((self._folder / path).as_posix())

    def _lookup(self, name: str) -> Any:
        self._used.add(name)
        return self._value(name)

    def _value(self, name: str) -> Any:
        if name not in self._declared:
            raise TemplateError(f"{self._file}: {name} is not declared")
        if name not in self._known:
            kind, node = self._declared[name]
            self._known[name] = getattr(self, f"_{kind}")(name, node)
        return self._known[name]

    def _parameter(self, name: str, node: Node) -> Any:
        has_default = len(node.named_children) == 3
        if name not in self._given and not has_default:
            raise TemplateError(f"{self._file}: the parameter {name} is not given")
        value = (
            self._given[name]
            if name in self._given
            else self._expressions.value(node.named_children[2], {})
        )
        allowed = decorators(node).get("allowed")
        if allowed and value not in self._expressions.value(allowed[0], {}):
            raise TemplateError(f"{self._file}: {name} must not be {value!r}")
        return value

    def _variable(self, _name: str, node: Node) -> Any:
        return self._expressions.value(node.named_children[1], {})

    def _resource(self, _name: str, node: Node) -> Any:
        kind, _, version = str(self._expressions.value(node.named_children[1], {})).partition("@")
        is_existing = any(child.type == "existing" for child in node.children)

        def make(body: Node, local: Mapping[str, Any]) -> Resource:
            return self._made(kind, version, is_existing, self._expressions.value(body, local))

        return self._each(node.named_children[-1], make)

    def _made(
        self, kind: str, version: str, is_existing: bool, body: Mapping[str, Any]
    ) -> Resource:
        parent, scope = body.get("parent"), body.get("scope")
        name = body.get("name", "")
        if isinstance(parent, Resource):
            identity = f"{parent.id}/{kind.rpartition('/')[2]}/{name}"
        else:
            identity = f"{scope.id if isinstance(scope, Resource) else ''}/{kind}/{name}"
        resource = Resource(
            self._file,
            kind,
            version,
            str(name),
            Later(identity),
            {key: value for key, value in body.items() if key not in _NOT_BODY},
            is_existing,
            parent,
            scope,
        )
        self._deployment.resources.append(resource)
        return resource

    def _module(self, _name: str, node: Node) -> Any:
        path = str(self._expressions.value(node.named_children[1], {}))

        def make(body: Node, local: Mapping[str, Any]) -> Module:
            given = self._expressions.value(body, local)
            file = (self._folder / path).as_posix()
            template = Template(file, given.get("params", {}), self._deployment, self._files)
            return Module(template.run())

        return self._each(node.named_children[-1], make)

    def _each(self, body: Node, make: Any) -> Any:
        if body.type == "for_statement":
            return [make(inner, local) for inner, local in self._expressions.loop(body, {})]
        if body.type == "if_statement":
            condition, inner = body.named_children
            return make(inner, {}) if self._expressions.value(condition, {}) else None
        return make(body, {})


def deploy(file: str, parameters: Mapping[str, Any], files: Files | None = None) -> Deployment:
    """What a file deploys."""
    deployment = Deployment()
    deployment.outputs = Template(file, parameters, deployment, files or Files()).run()
    return deployment
