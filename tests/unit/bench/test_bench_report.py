"""What `./odu bench` prints."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from bench import BENCHMARKS, command
from bench.harness import Result
from bench.report import as_json, as_table

RESULT = Result(
    name="copy",
    figure=1234.5,
    unit="MiB/s",
    ceiling=12.34,
    ratio=0.5,
    notes={"stages": {"fetch": 1.234, "scan": 20.0}, "ratios": [0.25, 0.75], "files": 3},
)
MACHINE = {"cpus": 2, "python": "3.13.0"}


def shown(result: Result) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(as_table([result], MACHINE))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_table_shows_figure_ceiling_ratio_notes_and_machine() -> None:
    text = shown(RESULT)

    for part in (
        *("copy", "1,234", "12.3", "MiB/s", "0.50", "higher"),
        *("stages: fetch 1.23, scan 20.0", "ratios: 0.25 .. 0.75", "files: 3"),
        *("cpus 2", "python 3.13.0"),
    ):
        assert part in text, part


def test_json_is_one_document_with_the_machine_and_unrounded_figures() -> None:
    document = json.loads(as_json([RESULT, RESULT], MACHINE))

    assert document["machine"] == MACHINE
    assert len(document["results"]) == 2
    assert document["results"][0]["figure"] == 1234.5
    assert document["results"][0]["notes"]["ratios"] == [0.25, 0.75]
    assert document["results"][0]["better"] == "higher"


def test_bench_lists_every_benchmark_with_what_it_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BENCHMARKS)
    assert all(len(line.split()) > 3 for line in lines)


def test_bench_refuses_a_name_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["nonsense"])

    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err
