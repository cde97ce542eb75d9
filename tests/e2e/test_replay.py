"""A fleet's day replayed twice, shuffled, under reads and a kill: the right numbers in the end.

`./odu bench replay` does the same with a large fleet.
"""

from __future__ import annotations

from local.tools.replay.run import Plan, replay
from local.tools.replay.story import make_fleet

DEVICES, STEPS = 110, 10


async def test_a_day_replayed_twice_and_shuffled_ends_as_one_ordered_fold() -> None:
    plan = Plan(make_fleet(DEVICES, STEPS, buckets=8), kills=1, patience_seconds=120)

    async with replay(plan, say=print) as (outcome, _):
        assert outcome.wrong == []
        assert outcome.impossible == []
        assert outcome.sent == 2 * outcome.events > 2 * DEVICES * STEPS
        assert outcome.kills == 1
        assert outcome.reads > 0
