"""Evaluates expressions of Bicep."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tree_sitter import Node

from tests.infra.bicep.functions import call
from tests.infra.bicep.syntax import text
from tests.infra.values import Later, Module, Resource, TemplateError

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}

_ESCAPES = ("\\'", "\\\\", "\\$")
"""What stands in a string for the character after the backslash."""


class Expressions:
    """Evaluates nodes; `lookup` tells what a name stands for, `read` what a file says."""

    def __init__(self, read: Callable[[str], str], lookup: Callable[[str], Any]) -> None:
        self._read = read
        self._lookup = lookup

    def value(self, node: Node, local: Mapping[str, Any]) -> Any:
        """The value of an expression; `local` are the variables of loops around it."""
        kind = getattr(self, f"_{node.type}", None)
        if kind is None:
            raise TemplateError(f"{node.type} is not known to this reader: {text(node)[:60]}")
        return kind(node, local)

    def loop(self, node: Node, local: Mapping[str, Any]) -> list[tuple[Node, dict[str, Any]]]:
        """The body of a loop with the variables of each turn."""
        variables, items, body = node.named_children
        names = (
            [text(name) for name in variables.named_children]
            if variables.type == "for_loop_parameters"
            else [text(variables)]
        )
        return [
            (body, {**local, **dict(zip(names, (item, index), strict=False))})
            for index, item in enumerate(self.value(items, local))
        ]

    def _identifier(self, node: Node, local: Mapping[str, Any]) -> Any:
        name = text(node)
        return local[name] if name in local else self._lookup(name)

    def _string(self, node: Node, local: Mapping[str, Any]) -> str:
        parts = []
        for child in node.named_children:
            if child.type == "interpolation":
                parts.append(str(self.value(child.named_children[0], local)))
            elif child.type == "string_content":
                parts.append(text(child))
            elif text(child) in _ESCAPES:
                parts.append(text(child)[1:])
            else:
                raise TemplateError(f"{child.type} in a string")
        return "".join(parts)

    def _number(self, node: Node, _: Mapping[str, Any]) -> int:
        return int(text(node))

    def _boolean(self, node: Node, _: Mapping[str, Any]) -> bool:
        return text(node) == "true"

    def _null(self, _node: Node, _local: Mapping[str, Any]) -> None:
        return None

    def _array(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        return [self.value(child, local) for child in node.named_children]

    def _for_statement(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        return [self.value(body, names) for body, names in self.loop(node, local)]

    def _object(self, node: Node, local: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for member in node.named_children:
            if member.type == "comment":
                continue
            key, value = member.named_children
            name = text(key) if key.type == "identifier" else self.value(key, local)
            if name in found:
                raise TemplateError(f"{name} is given twice")
            found[name] = self.value(value, local)
        return found

    def _parenthesized_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        return self.value(node.named_children[0], local)

    def _ternary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        condition, first, second = node.named_children
        return self.value(first if self.value(condition, local) else second, local)

    def _unary_expression(self, node: Node, local: Mapping[str, Any]) -> bool:
        return not self.value(node.named_children[0], local)

    def _binary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        left, right = node.named_children
        sign = text(node.children[1])
        if sign not in _BINARY:
            raise TemplateError(f"operator {sign} is not known to this reader")
        return _BINARY[sign](self.value(left, local), self.value(right, local))

    def _member_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        whole = self.value(node.named_children[0], local)
        name = text(node.named_children[-1])
        if isinstance(whole, Resource | Module | Later):
            return whole.member(name)
        if not isinstance(whole, Mapping) or name not in whole:
            raise TemplateError(f"{text(node)}: there is no {name}")
        return whole[name]

    def _subscript_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        whole, index = (self.value(child, local) for child in node.named_children)
        return whole.member(str(index)) if isinstance(whole, Later) else whole[index]

    def _call_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        function, *rest = node.named_children
        arguments = [self.value(item, local) for part in rest for item in part.named_children]
        return call(self._read, text(function).rpartition(".")[2], arguments)
