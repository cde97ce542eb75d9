"""The files of `infra/`, some of them replaced by other texts where a test wants that."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

INFRA = Path(__file__).parents[2] / "infra"


@dataclass(frozen=True, slots=True)
class Files:
    """Reads files by their path below `infra/`."""

    replaced: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str:
        """The text of a file."""
        name = posixpath.normpath(path)
        found = self.replaced.get(name)
        return (INFRA / name).read_text(encoding="utf-8") if found is None else found

    def named(self, pattern: str) -> list[str]:
        """The paths of the files that match."""
        found = {path.relative_to(INFRA).as_posix() for path in INFRA.glob(pattern)}
        return sorted(found | {name for name in self.replaced if fnmatch(name, pattern)})
