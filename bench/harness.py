"""What every benchmark is made of: measuring in turns, results, and the machine they are of."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

type Measure = Callable[[], Awaitable[float]]
type Work = Callable[[], Awaitable[Any]]
type Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its ceiling, both in `unit`.

    `ratio` is figure by ceiling: 1 is all that the machine allows, whether more is better (a rate)
    or less (a time, a count). `notes` hold what else was seen.
    """

    name: str
    figure: float
    unit: str
    ceiling: float
    ratio: float
    better: Better = "higher"
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """How a benchmark is to be run; `say` shows its progress, `rows` are those of a large fleet,
    `events` those of a replay.
    """

    quick: bool
    say: Callable[[str], None]
    rows: int | None = None
    events: int | None = None


class Benchmark(Protocol):
    """A module of this package that measures something."""

    async def run(self, options: Options) -> Sequence[Result]:
        """Measure."""
        ...


async def in_turns(
    rounds: int, measures: Mapping[str, Measure], say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Take every measure once a round, in an order that turns around from round to round.

    Neighbours in time share what else the machine is doing, and neither is always the first.
    """
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        names = list(measures)
        for name in reversed(names) if number % 2 else names:
            value = await measures[name]()
            samples[name].append(value)
            say(f"round {number + 1} of {rounds}: {name} {value:,.4g}")
    return samples


def timed(work: Work) -> Measure:
    """How long a work takes, in milliseconds."""

    async def measured() -> float:
        started = time.perf_counter()
        await work()
        return (time.perf_counter() - started) * 1000

    return measured


async def in_lanes(calls: Iterator[Work], lanes: int) -> None:
    """Make the calls in their order, so many at a time."""

    async def lane() -> None:
        for call in calls:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())


def compared(
    name: str,
    unit: str,
    figures: Sequence[float],
    ceilings: Sequence[float],
    *,
    better: Better = "higher",
    notes: Mapping[str, Any] | None = None,
) -> Result:
    """A result of samples taken in turns.

    Figure and ceiling are medians; the ratio is the median of the ratios of each round, which a
    machine that was busy for some rounds does not move.
    """
    ratios = [one / other for one, other in zip(figures, ceilings, strict=True)]
    spread = {"rounds": len(ratios), "ratios": [round(min(ratios), 3), round(max(ratios), 3)]}
    return Result(
        name=name,
        figure=statistics.median(figures),
        unit=unit,
        ceiling=statistics.median(ceilings),
        ratio=statistics.median(ratios),
        better=better,
        notes={**(notes or {}), **spread},
    )


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value that so many per cent of the samples do not exceed (nearest rank)."""
    ranked = sorted(samples)
    return ranked[max(0, -(-len(ranked) * percent // 100).__trunc__() - 1)]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpus": os.process_cpu_count(),
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
