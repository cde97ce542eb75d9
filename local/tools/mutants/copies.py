"""A copy of the tree for each area, in which mutmut works and keeps what it has found."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from local.tools.mutants.areas import placed
from local.tools.mutants.results import MISSED, fate_of

if TYPE_CHECKING:
    from local.tools.mutants.areas import Area

REPOSITORY = Path(__file__).parents[3]
COPIES = REPOSITORY / ".mutants"
TRIAL = Path(__file__).with_name("trial.py")
_NEEDED = ("shared", "functions", "cli", "agent", "local", "bench", "docs", "tests")
_FILES = ("function_app.py", "host.json")
_PROSE = r'"[^"]* [^"]* [^"]*"'
"""Lines with words for people: no test should hold them word by word."""


def prepare(area: Area) -> Path:
    """Bring the copy of an area up to date; what was found of functions that stayed is kept."""
    copy = COPIES / area.name
    listed = subprocess.run(
        ["git", "ls-files", "-z", *_NEEDED, *_FILES],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout
    are_tests_changed = False
    for name in filter(None, listed.decode().split("\0")):
        source, target = REPOSITORY / name, copy / placed(name)
        if source.is_dir():  # a link: the agent's copy of the contract
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file() and not _is_same(source, target):
            are_tests_changed |= name.startswith("tests/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    if are_tests_changed:
        _forget_missed(copy / "mutants")
    project = (REPOSITORY / "pyproject.toml").read_text() + _settings(area)
    (copy / "pyproject.toml").write_text(project)
    return copy


def _forget_missed(folder: Path) -> None:
    """Have the mutants tried again that nothing has noticed: other tests may."""
    (folder / "mutmut-stats.json").unlink(missing_ok=True)
    for path in folder.rglob("*.meta"):
        document = json.loads(path.read_text())
        codes = document["exit_code_by_key"]
        missed = {name: None for name, code in codes.items() if fate_of(code) in MISSED}
        path.write_text(json.dumps({**document, "exit_code_by_key": {**codes, **missed}}))


def _is_same(source: Path, target: Path) -> bool:
    return target.is_file() and source.read_bytes() == target.read_bytes()


def _settings(area: Area) -> str:
    """What mutmut reads."""
    others = [name for name in (*_NEEDED, *_FILES, "src") if not area.source.startswith(name)]
    options = ["-p", "no:randomly", "-p", "no:schemathesis", "--hypothesis-profile=mutants"]
    settings = {
        "source_paths": [area.source],
        "only_mutate": list(area.patterns),
        "do_not_mutate_patterns": [_PROSE],
        "also_copy": others,
        "pytest_add_cli_args": options,
        "pytest_add_cli_args_test_selection": list(area.tests),
        "use_git_change_detection": False,
        "track_dependencies": False,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["", "[tool.mutmut]", *lines, ""])
