from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import BENCHMARKS
from bench.guard import GUARDED, Bound, findings, read_bounds
from bench.harness import Result

if TYPE_CHECKING:
    from pathlib import Path

    from bench.harness import Better


def a_result(name: str, figure: float, ratio: float, better: Better = "higher") -> Result:
    return Result(name, figure, "per s", 1.0, ratio, better)


def test_the_committed_bounds_can_be_read_and_are_of_benchmarks() -> None:
    assert set(GUARDED) <= set(BENCHMARKS)
    assert len(read_bounds()) > 10


@pytest.mark.parametrize(
    ("result", "bound", "is_kept"),
    [
        (a_result("a", 9.0, 0.5), Bound(ratio=0.5), True),
        (a_result("a", 9.0, 0.49), Bound(ratio=0.5), False),
        (a_result("a", 9.0, 1.3, "lower"), Bound(ratio=1.3), True),
        (a_result("a", 9.0, 1.31, "lower"), Bound(ratio=1.3), False),
        (a_result("a", 1.04, 9.0, "lower"), Bound(figure=1.1), True),
        (a_result("a", 2.08, 1.0, "lower"), Bound(figure=1.1), False),
        (a_result("another", 9.0, 9.0), Bound(ratio=0.1), False),
    ],
)
def test_a_bound_is_kept_on_its_better_side(result: Result, bound: Bound, is_kept: bool) -> None:
    (found,) = findings([result], {"a": bound})

    assert found.is_kept is is_kept
    assert found.name == "a"


@pytest.mark.parametrize("text", ["[a]\n", "[a]\nratio = 1.0\nfigure = 1.0\n"])
def test_a_bound_of_both_or_neither_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bounds.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match="'a' needs"):
        read_bounds(path)
