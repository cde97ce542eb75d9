"""Evaluates expressions of Terraform."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tree_sitter import Node

from tests.infra.terraform.syntax import text
from tests.infra.values import Later, TemplateError

Names = Mapping[str, Any]
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "&&": lambda left, right: left and right,
    "||": lambda left, right: left or right,
}


class Expressions:
    """Evaluates nodes; `names` are the variables of loops around them.

    Args:
        lookup: Tells what a name stands for that is no such variable.
        call: Calls a function.
    """

    def __init__(self, lookup: Callable[[str], Any], call: Callable[[str, list[Any]], Any]) -> None:
        self._lookup = lookup
        self._call = call

    def value(self, node: Node, names: Names) -> Any:
        """The value of one node."""
        kind = getattr(self, f"_{node.type}", None)
        if kind is None:
            raise TemplateError(f"{node.type} is not known to this reader: {text(node)[:60]}")
        return kind(node, names)

    def _expression(self, node: Node, names: Names) -> Any:
        return self._chain(node.named_children, names)

    def _chain(self, nodes: list[Node], names: Names) -> Any:
        """A value and what is taken of it: `first.name[index]`."""
        first, *rest = nodes
        value = self.value(first, names)
        for index, node in enumerate(rest):
            if node.type == "get_attr":
                value = member(value, text(node.named_children[0]))
            elif node.type == "index":
                value = member(value, self.value(node.named_children[0].named_children[0], names))
            elif node.type == "splat":
                taken = node.named_children[0].named_children
                return [_all(item, taken) for item in value]
            else:
                raise TemplateError(f"{node.type} after {text(rest[index - 1])}")
        return value

    def _variable_expr(self, node: Node, names: Names) -> Any:
        name = text(node)
        return names[name] if name in names else self._lookup(name)

    def _literal_value(self, node: Node, names: Names) -> Any:
        [inner] = node.named_children
        if inner.type == "string_lit":
            return self._template(inner, names)
        return {"true": True, "false": False, "null": None}.get(text(inner), _number(text(inner)))

    def _template_expr(self, node: Node, names: Names) -> str:
        return self._template(node.named_children[0], names)

    def _template(self, node: Node, names: Names) -> str:
        """A quoted string; the grammar does not keep the blanks around its parts, so take slices
        of the source.
        """
        start, *parts, end = node.named_children
        source, before, found = node.text or b"", start, ""
        for part in [*parts, end]:
            if part.type in ("template_interpolation", end.type):
                literal = slice(
                    before.end_byte - node.start_byte, part.start_byte - node.start_byte
                )
                found += _plain(source[literal])
                before = part
            if part.type == "template_interpolation":
                [inner] = [child for child in part.named_children if child.type == "expression"]
                found += _shown(self.value(inner, names))
        return found

    def _collection_value(self, node: Node, names: Names) -> Any:
        return self.value(node.named_children[0], names)

    def _tuple(self, node: Node, names: Names) -> list[Any]:
        return [self.value(child, names) for child in node.named_children if _is_value(child)]

    def _object(self, node: Node, names: Names) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for element in node.named_children:
            if element.type == "object_elem":
                key, value = element.named_children
                name = text(key) if _is_bare(key) else self.value(key, names)
                if name in found:
                    raise TemplateError(f"{name} is given twice")
                found[name] = self.value(value, names)
        return found

    def _for_expr(self, node: Node, names: Names) -> Any:
        return self.value(node.named_children[0], names)

    def _for_tuple_expr(self, node: Node, names: Names) -> list[Any]:
        [result] = [child for child in node.named_children if child.type == "expression"]
        return [self.value(result, inner) for inner in self._turns(node, names)]

    def _for_object_expr(self, node: Node, names: Names) -> dict[str, Any]:
        key, value = [child for child in node.named_children if child.type == "expression"]
        return {
            self.value(key, inner): self.value(value, inner) for inner in self._turns(node, names)
        }

    def _turns(self, node: Node, names: Names) -> list[dict[str, Any]]:
        [intro] = [child for child in node.named_children if child.type == "for_intro"]
        conditions = [child for child in node.named_children if child.type == "for_cond"]
        variables = [text(child) for child in intro.named_children if child.type == "identifier"]
        items = self.value(intro.named_children[-1], names)
        pairs = items.items() if isinstance(items, Mapping) else enumerate(items)
        turns = [
            {**names, **dict(zip(variables, pair[-len(variables) :], strict=True))}
            for pair in pairs
        ]
        return [
            turn
            for turn in turns
            if all(self.value(item.named_children[0], turn) for item in conditions)
        ]

    def _conditional(self, node: Node, names: Names) -> Any:
        condition, first, second = node.named_children
        return self.value(first if self.value(condition, names) else second, names)

    def _operation(self, node: Node, names: Names) -> Any:
        return self.value(node.named_children[0], names)

    def _binary_operation(self, node: Node, names: Names) -> Any:
        at = next(place for place, child in enumerate(node.children) if not child.is_named)
        sign = text(node.children[at])
        if sign not in _BINARY:
            raise TemplateError(f"operator {sign} is not known to this reader")
        left = self._chain(node.children[:at], names)
        return _BINARY[sign](left, self._chain(node.children[at + 1 :], names))

    def _unary_operation(self, node: Node, names: Names) -> Any:
        value = self._chain(node.named_children, names)
        return -value if text(node.children[0]) == "-" else not value

    def _function_call(self, node: Node, names: Names) -> Any:
        name, *rest = node.named_children
        arguments = [
            self.value(item, names)
            for part in rest
            for item in part.named_children
            if item.type == "expression"
        ]
        return self._call(text(name), arguments)


def member(whole: Any, name: Any) -> Any:
    """One member of a value.

    Raises:
        TemplateError: It has no such member.
    """
    if isinstance(whole, list) and isinstance(name, int):
        return whole[name]
    if isinstance(whole, Mapping):
        if name not in whole:
            raise TemplateError(f"there is no {name}")
        return whole[name]
    if isinstance(whole, Later) or hasattr(whole, "member"):
        return whole.member(str(name))
    raise TemplateError(f"{whole!r} has no {name}")


def _all(value: Any, taken: list[Node]) -> Any:
    for node in taken:
        value = member(value, text(node.named_children[0]))
    return value


def _plain(source: bytes) -> str:
    for escaped, character in ((rb"\"", b'"'), (rb"\n", b"\n"), (b"$${", b"${")):
        source = source.replace(escaped, character)
    return source.decode()


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(digits: str) -> int | None:
    return int(digits) if digits.isdecimal() else None


def _is_value(node: Node) -> bool:
    return node.type == "expression"


def _is_bare(key: Node) -> bool:
    """Whether a key of an object is a plain word, which stands for itself."""
    return [child.type for child in key.named_children] == ["variable_expr"]
