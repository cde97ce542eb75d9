"""Terraform files as blocks and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import tree_sitter_hcl
from tree_sitter import Language, Node, Parser

from tests.infra.values import TemplateError

_LANGUAGE = Language(tree_sitter_hcl.language())


@dataclass(slots=True)
class Block:
    """One block: its type and labels, its attributes by name and the blocks in it."""

    file: str
    kind: str
    labels: tuple[str, ...]
    attributes: dict[str, Node] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


def blocks(file: str, source: str) -> list[Block]:
    """The blocks of a file.

    Raises:
        TemplateError: It cannot be parsed, or an attribute is given twice.
    """
    root = Parser(_LANGUAGE).parse(source.encode()).root_node
    if wrong := list(_errors(root)):
        raise TemplateError(f"{file}: {wrong[0]}")
    return [_block(file, node) for body in root.named_children for node in _of(body, "block")]


def text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def _errors(node: Node) -> Iterator[str]:
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point.row + 1}: {text(node)[:60]!r}"
    for child in node.children:
        yield from _errors(child)


def _of(node: Node, kind: str) -> list[Node]:
    return [child for child in node.named_children if child.type == kind]


def _block(file: str, node: Node) -> Block:
    kind, *labels = [
        text(child).strip('"')
        for child in node.named_children
        if child.type in ("identifier", "string_lit")
    ]
    block = Block(file, kind, tuple(labels))
    for body in _of(node, "body"):
        for attribute in _of(body, "attribute"):
            name, value = attribute.named_children
            if text(name) in block.attributes:
                raise TemplateError(f"{file}: {text(name)} is given twice")
            block.attributes[text(name)] = value
        block.blocks += [_block(file, child) for child in _of(body, "block")]
    return block
