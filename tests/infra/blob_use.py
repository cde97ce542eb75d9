"""Which containers the services read, and which they write to, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from shared.ports import Blobs
from shared.topology import CONTAINERS
from tests.infra.program import REPOSITORY

_WRITES = frozenset(
    {
        "write",
        "write_once",
        "open_write",
        "touch",
        "delete",
        "delete_all",
        "copy",
        "stage_copy",
        "upload_link",
        "write_link",
    }
)
_READS = frozenset(
    {"read", "metadata", "staged", "stream", "download", "list", "link", "address", "is_own"}
)
_TARGET = {"copy": 1, "stage_copy": 2}
"""Which argument names the container that is written to; else it is the first."""


@cache
def roles_on_containers() -> dict[str, str]:
    """The role that the app needs on each container that it uses."""
    methods = {name for name in vars(Blobs) if not name.startswith("_")}
    assert methods == _WRITES | _READS, methods ^ (_WRITES | _READS)
    uses = [
        use
        for path in (REPOSITORY / "shared" / "services").rglob("*.py")
        for use in _uses(ast.parse(path.read_text(encoding="utf-8")))
    ]
    written = {container for container, is_write in uses if is_write}
    return {
        container: f"Storage Blob Data {'Contributor' if container in written else 'Reader'}"
        for container, _ in uses
    }


def _uses(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Each container that a call names, and whether the call writes to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method = node.func.attr
            if method in _WRITES | _READS:
                target = _TARGET.get(method, 0)
                for index, argument in enumerate(node.args[: target + 1]):
                    named = argument.elts[0] if isinstance(argument, ast.Tuple) else argument
                    is_written = method in _WRITES and index == target
                    if isinstance(named, ast.Constant) and named.value in CONTAINERS:
                        yield str(named.value), is_written
                    elif isinstance(named, ast.Subscript):  # what the instance's settings name
                        yield "diagnostics", is_written
