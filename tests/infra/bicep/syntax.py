"""Bicep files as syntax trees."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from tests.infra.files import Files

FILES = Files().named("**/*.bicep")
_LANGUAGE = Language(tree_sitter_bicep.language())
_EXTENSION = re.compile(rb"^extension \w+$", re.MULTILINE)
"""A statement of the language that its grammar does not know."""


def parse(source: str) -> Node:
    """The root of a file's tree."""
    return Parser(_LANGUAGE).parse(_EXTENSION.sub(b"", source.encode())).root_node


def errors(node: Node) -> Iterator[str]:
    """What the parser could not make sense of."""
    if node.type == "ERROR" or node.is_missing:
        line = node.start_point.row + 1
        yield f"line {line}: {text(node)[:60]!r}"
    for child in node.children:
        yield from errors(child)


def text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def declarations(root: Node, kind: str) -> dict[str, Node]:
    """The declarations of one kind, by name; a name declared twice raises ValueError."""
    found: dict[str, Node] = {}
    for node in root.named_children:
        if node.type != f"{kind}_declaration":
            continue
        name = text(node.named_children[0])
        if name in found:
            raise ValueError(f"{name} is declared twice")
        found[name] = node
    return found


def decorators(declaration: Node) -> dict[str, list[Node]]:
    """The arguments of the decorators before a declaration, by the decorator's name."""
    before = declaration.prev_named_sibling
    if before is None or before.type != "decorators":
        return {}
    found = {}
    for decorator in before.named_children:
        call = decorator.named_children[0]
        arguments = [child for child in call.named_children if child.type == "arguments"]
        found[text(call.named_children[0])] = arguments[0].named_children if arguments else []
    return found
