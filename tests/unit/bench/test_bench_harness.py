"""The statistics of the benchmarks and the order in which they measure."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness import compared, in_turns, machine, percentile

rates = st.floats(min_value=0.001, max_value=1e6)


async def test_in_turns_turns_the_order_around_every_round() -> None:
    order: list[str] = []

    def measure(name: str, value: float) -> object:
        async def taken() -> float:
            order.append(name)
            return value

        return taken

    said: list[str] = []
    samples = await in_turns(3, {"a": measure("a", 1.0), "b": measure("b", 2.0)}, said.append)

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert said[0] == "round 1 of 3: a 1"
    assert len(said) == 6


def test_compared_takes_the_median_of_the_rounds_own_ratios_when_the_machine_slows_down() -> None:
    result = compared("copy", "MiB/s", [50, 5, 40], [100, 10, 50], notes={"files": 2})

    assert (result.figure, result.ceiling, result.ratio) == (40, 50, 0.5)
    assert result.notes == {"files": 2, "rounds": 3, "ratios": [0.5, 0.8]}


def test_compared_refuses_samples_that_were_not_taken_in_turns() -> None:
    with pytest.raises(ValueError, match="zip"):
        compared("copy", "MiB/s", [1.0], [1.0, 2.0])


@given(st.lists(st.tuples(rates, rates), min_size=1))
def test_compared_ratio_lies_within_the_ratios_of_the_rounds(pairs: list[tuple[float, float]]):
    figures, ceilings = zip(*pairs, strict=True)

    result = compared("any", "1/s", figures, ceilings)

    ratios = [one / other for one, other in pairs]
    assert min(ratios) <= result.ratio <= max(ratios)


@pytest.mark.parametrize(
    ("percent", "value"), [(1, 1), (50, 50), (95, 95), (99.5, 100), (100, 100)]
)
def test_percentile_is_the_nearest_rank_whatever_the_order(percent: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


@given(st.lists(rates, min_size=1), st.floats(min_value=0.1, max_value=100))
def test_percentile_is_not_exceeded_by_that_many_samples(
    samples: list[float], percent: float
) -> None:
    value = percentile(samples, percent)

    share = 100 * statistics.mean(sample <= value for sample in samples)
    assert value in samples
    assert share >= percent - 1e-6


def test_machine_names_what_figures_depend_on() -> None:
    assert machine().keys() == {"cpus", "processor", "system", "python"}
