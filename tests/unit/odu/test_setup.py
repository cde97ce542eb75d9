from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.odu.bootstrap import load_odu, program

odu = load_odu()

VENV_PYTHON = """\
echo "python $*" >> {log}
case "$*" in
  *ensurepip*) echo "3.13 {root}/base" ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo version = 3.13 > "$3/pyvenv.cfg" ;;
  *"pip install"*) [ ! -e {root}/pip-fails ] || { echo no such package; exit 1; } ;;
esac
"""
NPM = """\
echo "npm $*" >> {log}
mkdir -p node_modules/azurite/dist/src && touch node_modules/azurite/dist/src/azurite.js
"""


class Checkout:
    """A checkout with locks, and tools that only note how they are called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "calls"
        (root / "local").mkdir()
        (root / "requirements-dev.txt").write_text("one\n")
        (root / "local/package-lock.json").write_text("{}")
        self._program("base", VENV_PYTHON)
        shutil.copy(root / "base", self._program("bin/python3.13", VENV_PYTHON))
        program(root / "bin/node", "echo v20.0.0")
        self._program("bin/npm", NPM)
        self.environment = {"PATH": f"{root / 'bin'}:/usr/bin:/bin", "HOME": str(root)}
        self.setup = odu.Setup(root)

    def _program(self, name: str, script: str) -> Path:
        text = script.replace("{log}", str(self.log)).replace("{root}", str(self.root))
        return program(self.root / name, text)

    def ensure(self) -> list[str]:
        """Set up, and return the installations that this took."""
        self.log.write_text("")
        self.setup.ensure(self.environment)
        calls = self.log.read_text().splitlines()
        return [word for call in calls for word in ("venv", "pip", "npm") if f"{word} " in call]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_ensure_installs_everything_the_first_time(checkout: Checkout) -> None:
    assert checkout.ensure() == ["venv", "pip", "npm"]
    assert "--require-hashes" in odu_calls(checkout, "pip")


def odu_calls(checkout: Checkout, word: str) -> str:
    """Return what was noted of one tool by the last set-up."""
    return "\n".join(line for line in checkout.log.read_text().splitlines() if word in line)


def test_ensure_runs_no_program_when_nothing_changed(checkout: Checkout) -> None:
    checkout.ensure()
    checkout.environment = {"PATH": ""}

    assert checkout.ensure() == []
    assert checkout.log.read_text() == ""


@pytest.mark.parametrize(
    ("name", "redone"),
    [("requirements-dev.txt", ["pip"]), ("local/package-lock.json", ["npm"])],
)
def test_ensure_redoes_one_part_when_its_lock_changed(
    checkout: Checkout, name: str, redone: list[str]
) -> None:
    checkout.ensure()
    (checkout.root / name).write_text("changed")

    assert checkout.ensure() == redone
    assert checkout.ensure() == []


def test_ensure_redoes_everything_when_the_setup_itself_changed(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.ensure()
    monkeypatch.setattr(odu, "SETUP_VERSION", odu.SETUP_VERSION + 1)

    assert checkout.ensure() == ["pip", "npm"]


@pytest.mark.parametrize("victim", ["bin/python", "pyvenv.cfg"])
def test_ensure_makes_the_environment_anew_when_it_is_damaged(
    checkout: Checkout, victim: str
) -> None:
    checkout.ensure()
    (checkout.root / ".venv" / victim).unlink()

    assert checkout.ensure() == ["venv", "pip"]
    assert checkout.ensure() == []


def test_ensure_makes_the_environment_anew_when_it_is_gone(checkout: Checkout) -> None:
    checkout.ensure()
    shutil.rmtree(checkout.root / ".venv")

    assert checkout.ensure() == ["venv", "pip", "npm"]


def test_ensure_starts_from_scratch_when_it_was_interrupted(checkout: Checkout) -> None:
    (checkout.root / "pip-fails").touch()
    with pytest.raises(odu.Failed, match="installing Python packages failed with exit code 1"):
        checkout.ensure()
    leftover = checkout.root / ".venv/leftover"
    leftover.touch()
    (checkout.root / "pip-fails").unlink()

    assert checkout.ensure() == ["venv", "pip", "npm"]
    assert not leftover.exists()


def test_ensure_shows_the_output_of_a_step_that_fails(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout.root / "pip-fails").touch()

    with pytest.raises(odu.Failed):
        checkout.ensure()

    assert "no such package" in capsys.readouterr().err


def test_ensure_says_nothing_when_nothing_changed(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.ensure()
    assert "installing" in capsys.readouterr().err

    checkout.ensure()

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("content", ["", "[]", '{"python": 1', '{"python": null, "node": null}'])
def test_is_current_is_false_when_the_stamp_is_damaged(checkout: Checkout, content: str) -> None:
    checkout.ensure()
    checkout.setup.stamp_file.write_text(content)

    assert not checkout.setup.is_current()


def test_is_current_is_false_when_node_is_gone(checkout: Checkout) -> None:
    checkout.ensure()
    (checkout.root / "bin/node").unlink()

    assert not checkout.setup.is_current()


def _ensure(root: Path, environment: dict[str, str], start: Any) -> None:
    start.wait()
    odu.Setup(root).ensure(environment)


def test_ensure_installs_once_when_two_run_at_the_same_time(checkout: Checkout) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    runs = [
        context.Process(target=_ensure, args=(checkout.root, checkout.environment, start))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert [run.exitcode for run in runs] == [0, 0]
    assert odu_calls(checkout, "pip install").count("\n") == 0
    assert json.loads(checkout.setup.stamp_file.read_text())["python"] != odu.IN_PROGRESS
