"""`./odu logs` and the lines that it reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.cli.logs import main
from local.stack.log_lines import LogReader, parsed

HOST = (
    "2026-11-30T12:00:01.250Z WARNING shared.services.imports.operation [fetch_import 1-2]: "
    "import o-7 failed: HashMismatch {function=fetch_import instance=local operation=o-7}"
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "host.log").write_text(
        f"ready {{}}\n2026-11-30T12:00:00.000Z INFO host: started\n{HOST}\n"
    )
    (folder / "iothub.log").write_text("2026-11-30T12:00:00.500Z INFO iothub: a device\n")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> list[str]:
    assert main(["--state", str(state), "--json", *options]) == 0
    return [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]


def test_line_is_taken_apart() -> None:
    line = parsed("host", HOST)

    assert line.message == "import o-7 failed: HashMismatch"
    assert line.facts == {"function": "fetch_import", "instance": "local", "operation": "o-7"}
    assert (line.at, line.level) == ("2026-11-30T12:00:01.250Z", "WARNING")
    assert line.logger == "shared.services.imports.operation"


def test_line_of_another_form_goes_with_the_one_before() -> None:
    line = parsed("azurite", "Azurite was closed", parsed("azurite", HOST))

    assert (line.at, line.level, line.message) == (
        "2026-11-30T12:00:01.250Z",
        "WARNING",
        "Azurite was closed",
    )


def test_lines_of_all_parts_are_shown_by_time(
    capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    assert shown(capsys, state) == [
        "ready {}",
        "started",
        "a device",
        "import o-7 failed: HashMismatch",
    ]
    assert shown(capsys, state, "--lines", "2") == ["a device", "import o-7 failed: HashMismatch"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--part", "iothub"], ["a device"]),
        (["--level", "WARNING"], ["import o-7 failed: HashMismatch"]),
        (["--grep", "dev|start"], ["started", "a device"]),
        (["--about", "operation=o-"], ["import o-7 failed: HashMismatch"]),
        (["--about", "operation=o-8"], []),
    ],
)
def test_lines_are_chosen(
    capsys: pytest.CaptureFixture[str], state: Path, options: list[str], expected: list[str]
) -> None:
    assert shown(capsys, state, *options) == expected


def test_unknown_part_is_refused(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    assert main(["--state", str(state), "--part", "toaster"]) == 1

    assert "there are: host, iothub" in capsys.readouterr().err


def test_reader_goes_on_past_a_rotation_and_never_cuts_a_line(tmp_path: Path) -> None:
    path = tmp_path / "host.log"
    reader = LogReader(path)
    assert list(reader.new_lines()) == []

    path.write_text("one\ntw")
    assert [line.message for line in reader.new_lines()] == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    assert [line.message for line in reader.new_lines()] == ["two"]
    with path.open("a") as file:
        file.write("three\n")
    path.rename(tmp_path / "host.log.1")
    path.write_text("four\n")

    assert [line.message for line in reader.new_lines()] == ["three", "four"]


def test_lines_are_coloured_for_people(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    assert main(["--state", str(state), "--lines", "1"]) == 0

    out = capsys.readouterr().out
    assert "12:00:01.250" in out
    assert "operation=o-7" in out
