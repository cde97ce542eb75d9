from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.cli.__main__ import _ELSEWHERE, _NO_COMMANDS
from odu_cli.main import NOUNS
from tests.unit.odu.bootstrap import ODU, load_odu, program

odu = load_odu()


def run_odu(
    *arguments: str, cwd: Path, path: str = "", file: Path = ODU
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, str(file), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """./odu alone, with nothing set up."""
    return Path(shutil.copy(ODU, tmp_path / "odu"))


def test_help_lists_every_command_before_anything_is_set_up(bare_checkout: Path) -> None:
    done = run_odu("--help", cwd=bare_checkout.parent, file=bare_checkout)

    assert done.returncode == 0
    for name in odu.COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert {"demo", "up", "bench", "update", "deployment", "manifest"} <= set(odu.COMMANDS)
    assert "COMMAND --help" in done.stdout
    assert not (bare_checkout.parent / ".venv").exists()


def test_help_has_every_command_of_the_installed_odu() -> None:
    assert set(odu.OPERATOR_COMMANDS) == set(NOUNS)
    modules = {path.stem for path in (ODU.parent / "local" / "cli").glob("[a-z]*.py")}
    assert set(odu.LOCAL_COMMANDS) == modules - set(_NO_COMMANDS) | set(_ELSEWHERE)


def test_an_unknown_command_is_refused_before_anything_is_set_up(bare_checkout: Path) -> None:
    done = run_odu("upp", cwd=bare_checkout.parent, file=bare_checkout)

    assert done.returncode == 2
    assert "there is no command 'upp'" in done.stderr


def test_missing_tools_are_named_with_the_way_to_get_them(bare_checkout: Path) -> None:
    done = run_odu("status", cwd=bare_checkout.parent, file=bare_checkout)

    assert done.returncode == 3
    assert "Python 3.13 (with its venv module) was not found" in done.stderr
    assert "Node.js 20 or later was not found" in done.stderr
    assert not (bare_checkout.parent / ".venv").exists()


def test_a_command_runs_in_the_environment_and_where_the_caller_stands(
    bare_checkout: Path, tmp_path: Path
) -> None:
    setup = odu.Setup(bare_checkout.parent)
    program(setup.python, 'echo "$PYTHONPATH" "$ODU_NODE" "$PWD" "$@"')
    node = program(tmp_path / "node", "")
    for name in (".venv/pyvenv.cfg", "requirements-dev.txt", "local/package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    setup.azurite.parent.mkdir(parents=True)
    setup.azurite.touch()
    stamp = {"python": setup.python_mark(), "node": setup.node_mark(), "node_path": str(node)}
    setup.write_stamp(stamp)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    done = run_odu("token", "--role", "Reader", cwd=elsewhere, file=bare_checkout)

    assert done.stderr == ""
    where = f"{tmp_path}:{tmp_path}/cli {node} {elsewhere}"
    assert done.stdout.split("\n")[0] == f"{where} -P -m local.cli token --role Reader"


def test_the_file_can_be_read_by_older_pythons() -> None:
    """Python 2 cannot compile annotations and f-strings; the oldest grammar at hand is 3.7's."""
    tree = ast.parse(ODU.read_text(), feature_version=(3, 7))

    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign)
        assert not isinstance(node, ast.FunctionDef) or node.returns is None
