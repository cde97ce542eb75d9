"""Packages the modules that the command line shares with the service, from their one source.

The command line imports them as `shared`, a name that is good in a checkout only. In the wheel they
lie below `odu_cli._shared`, and the imports say so. Which ones are needed is read from the imports.
"""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = "shared"
INSIDE = "odu_cli._shared"
_IMPORT = re.compile(rf"^(\s*(?:from|import) ){SHARED}(?=[. ])", re.MULTILINE)


class SharedModules(BuildHookInterface):
    """The hook; hatch finds it by its base class."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the package together, and with it what it needs of `shared`."""
        if version == "editable":
            return  # the folders of the checkout are on the path
        root = Path(self.root)
        package = root / "odu_cli"
        shared = next(each / SHARED for each in (root.parent, root) if (each / SHARED).is_dir())
        own, needed = sorted(package.rglob("*.py")), needed_modules(package, shared)
        if self.target_name == "sdist":
            build_data["force_include"] |= {
                str(path): f"{SHARED}/{path.relative_to(shared)}" for path in needed
            }
            return
        inside = "odu_cli/_shared"
        places = {path: f"odu_cli/{path.relative_to(package)}" for path in own}
        places |= {path: f"{inside}/{path.relative_to(shared)}" for path in needed}
        self._scratch = tempfile.TemporaryDirectory()
        for number, (path, place) in enumerate(places.items()):
            written = Path(self._scratch.name, str(number))
            written.write_text(renamed(path.read_text("utf-8")), "utf-8")
            build_data["force_include"][str(written)] = place
        build_data["force_include"][str(package / "py.typed")] = "odu_cli/py.typed"


def renamed(source: str) -> str:
    """The source of a module with the imports that hold in the wheel."""
    return _IMPORT.sub(rf"\g<1>{INSIDE}", source)


def needed_modules(package: Path, shared: Path) -> list[Path]:
    """The files of `shared` that a package imports, directly or not, with their packages."""
    found: set[Path] = set()
    waiting = sorted(package.rglob("*.py"))
    while waiting:
        path = waiting.pop()
        for each in _imported(path, shared):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return sorted(found)


def _imported(path: Path, shared: Path) -> Iterator[Path]:
    """The files of `shared` that a module imports, and the `__init__` of every folder above."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path, shared)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == SHARED:
                yield from _files(name, shared)


def _absolute(node: ast.ImportFrom, path: Path, shared: Path) -> str:
    """The name of the module that an import is from."""
    if not node.level or shared not in path.parents:
        return node.module or ""
    folder = path.parents[node.level - 1].relative_to(shared.parent)
    return ".".join((*folder.parts, *filter(None, [node.module])))


def _files(name: str, shared: Path) -> Iterator[Path]:
    place = shared.parent
    for part in name.split("."):
        place = place / part
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield file
