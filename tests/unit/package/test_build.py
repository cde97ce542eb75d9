"""The deployment package holds what runs in the cloud, and always the same bytes."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from local.tools.package.build import build, contents

REPOSITORY = Path(__file__).parents[3]


def test_package_is_the_same_byte_for_byte_when_built_again(tmp_path: Path) -> None:
    first = build(REPOSITORY, tmp_path / "one.zip")
    for name in contents(REPOSITORY)[:5]:
        os.utime(REPOSITORY / name)

    second = build(REPOSITORY, tmp_path / "two.zip")

    assert first.sha256 == second.sha256


def test_package_has_every_module_of_the_app_and_nothing_of_the_workshop(tmp_path: Path) -> None:
    package = build(REPOSITORY, tmp_path / "app.zip")

    names = set(zipfile.ZipFile(package.path).namelist())
    modules = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("functions", "shared")
        for path in (REPOSITORY / folder).rglob("*.py")
    }
    assert modules <= names
    assert {"function_app.py", "host.json", "requirements.txt"} <= names
    assert not {
        name for name in names if name.split("/")[0] in {"local", "tests", "agent", "bench"}
    }
    assert not {name for name in names if "__pycache__" in name}


def test_package_is_what_funcignore_leaves(tmp_path: Path) -> None:
    ignored = (REPOSITORY / ".funcignore").read_text().split()
    top = {name.parts[0] for name in contents(REPOSITORY)}

    for name in top:
        assert name not in ignored
        assert f"{name}/" not in ignored
    for folder in ("local", "tests", "agent", "bench", "docs", "infra", "console"):
        assert f"{folder}/" in ignored
