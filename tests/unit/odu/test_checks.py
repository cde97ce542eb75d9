from __future__ import annotations

import sys

import pytest

from local.cli import test as checks_of_odu
from local.cli.__main__ import main as dispatch


def test_checks_run_the_linters_before_the_tests() -> None:
    names = [check.name for check in checks_of_odu.checks([], only_tests=False)]

    assert names == [
        "format", "style", "types", "types of odu", "types of the agent",
        "imports", "imports of the command line",
        "console: types", "console: format and style", "console: types of the API",
        "console: units", "pytest",
    ]  # fmt: skip


def test_checks_pass_options_on_to_pytest_alone_when_only_tests_are_wanted() -> None:
    (check,) = checks_of_odu.checks(["-k", "topology"], only_tests=True)

    assert check.argv[1:3] == ("-m", "pytest")
    assert check.argv[-2:] == ("-k", "topology")


def test_main_runs_everything_and_fails_when_one_check_failed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes = {"first": 1, "second": 0}
    fake = [
        checks_of_odu.Check(name, (sys.executable, "-c", f"raise SystemExit({code})"))
        for name, code in codes.items()
    ]
    monkeypatch.setattr(checks_of_odu, "checks", lambda rest, only_tests: fake)
    monkeypatch.setattr(checks_of_odu, "coverage", lambda: "93.1 %")

    code = checks_of_odu.main([])

    lines = capfd.readouterr().out.splitlines()
    assert code == 1
    assert lines[-3].split()[:2] == ["FAILED", "first"]
    assert lines[-2].split()[:2] == ["ok", "second"]
    assert lines[-1].endswith("93.1 %")


@pytest.mark.parametrize("name", ["nothing", "__init__", "../up", "up.x"])
def test_dispatch_refuses_what_is_no_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch([name]) == 2
    assert f"No such command '{name}'" in capsys.readouterr().err
