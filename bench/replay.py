"""Events of a recorded fleet replayed twice, shuffled, with REST reads and kills of the host."""

from __future__ import annotations

from collections.abc import Sequence

from bench.harness import Options, Result
from local.replay.run import Plan, replay
from local.replay.story import make_fleet


async def run(options: Options) -> Sequence[Result]:
    """Measure events a second."""
    devices, steps = (200, 15) if options.quick else (2_000, 50)
    fleet = make_fleet(devices, steps, buckets=16)
    async with replay(Plan(fleet, 1 if options.quick else 4, 600.0), options.say) as (outcome, _):
        return [
            Result(
                "replay",
                outcome.sent / outcome.seconds,
                "events/s",
                1,
                1,
                notes={"outcome": str(outcome)[:6000]},
            )
        ]
