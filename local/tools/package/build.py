"""Builds the deployment zip, the same bytes for the same sources.

The layout is that of a Functions app: `function_app.py`, `host.json` and `requirements.txt` at the
root. The packages of `requirements.txt` are installed by the platform's build when it is deployed.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT_FILES = ("function_app.py", "host.json", "requirements.txt")
FOLDERS = ("functions", "shared")
_LEFT_OUT = ("__pycache__",)
_SUFFIXES = (".py", ".json", ".yar", ".html", ".css", ".js", ".svg", ".br", ".gz")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: a fixed one, so that the bytes do not depend on when it is
built.
"""
_REGULAR_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Package:
    """A built zip: where it is, how large, and what it hashes to."""

    path: Path
    size_bytes: int
    sha256: str
    names: tuple[str, ...]


def contents(repository: Path) -> list[Path]:
    """Every file that is deployed, relative to the repository, in order."""
    files = [Path(name) for name in ROOT_FILES]
    for folder in FOLDERS:
        files += [
            path.relative_to(repository)
            for path in (repository / folder).rglob("*")
            if path.is_file()
            and path.suffix in _SUFFIXES
            and not set(path.parts).intersection(_LEFT_OUT)
        ]
    return sorted(files)


def build(repository: Path, target: Path) -> Package:
    """Write the zip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    names = contents(repository)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name.as_posix(), _EPOCH)
            entry.external_attr = _REGULAR_FILE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (repository / name).read_bytes())
    content = target.read_bytes()
    return Package(
        target,
        len(content),
        hashlib.sha256(content).hexdigest(),
        tuple(name.as_posix() for name in names),
    )
