"""Whatever operators, devices, queues and the hub do to a roll-out, these laws hold.

`ODU_ROLLOUT_RUNS` says how many runs are drawn, `ODU_ROLLOUT_SEED` from which seed; without one
they are always the same, so that a change is judged by itself.
"""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant, rule

from shared.domain.fleet.device import bucket_of
from shared.domain.rollouts.ledger import asks_of
from shared.domain.rollouts.pace import members_of
from shared.domain.rollouts.progress import Hold
from tests.builders.rollout_laws import (
    check_counters,
    check_explanations,
    check_history,
    check_recalled,
    check_rollbacks,
    check_twins,
    idle_messages,
    now_of,
)
from tests.builders.rollout_rules import DeviceRules, FaultRules, OperatorRules
from tests.settings import INSTANCE

RUNS = int(os.environ.get("ODU_ROLLOUT_RUNS", "500"))
SEED = os.environ.get("ODU_ROLLOUT_SEED")
_SELDOM = timedelta(minutes=2)


class RolloutMachine(FaultRules, DeviceRules, OperatorRules):
    """The laws that hold at any time, once all has settled, and in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = -1
        self.asks: dict[int, int] = {}

    def teardown(self) -> None:
        try:
            if self.fleet.simulated:
                self.do(self._converges())
        finally:
            self.loop.close()

    @invariant()
    def nobody_is_asked_who_must_not_be(self) -> None:
        if self.fleet.simulated:
            self.do(check_twins(self.fleet))

    @invariant()
    def grants_and_phases_only_grow_and_are_kept_to(self) -> None:
        if not self.fleet.simulated:
            return
        deployment, progress = self.do(now_of(self.fleet))
        assert progress.phase >= self.opened
        self.opened = progress.phase
        members = 0
        for bucket in {bucket_of(name) for name in self.fleet.simulated}:
            ledger = self.do(self.fleet.devices.ledger(INSTANCE, bucket, "$default")).value
            asks, here = asks_of(ledger, deployment.workflow_id)
            members += here
            assert asks >= self.asks.get(bucket, 0)
            if asks > self.asks.get(bucket, 0) and deployment.rollout.maximum_in_flight is not None:
                assert asks <= progress.allow_asks.get(bucket, 0) or self.model.was_uncapped
            self.asks[bucket] = asks
            self.model.was_uncapped |= deployment.rollout.maximum_in_flight is None
        assert members <= members_of(deployment.rollout, max(0, progress.phase))

    @invariant()
    def every_counter_equals_a_recount_and_adds_up(self) -> None:
        self.do(check_counters(self.fleet))

    @rule()
    def once_settled_rows_twins_and_explanations_agree(self) -> None:
        self._calm_down()
        self.do(self._settles(minutes=40))

    def _calm_down(self) -> None:
        queues = self.fleet.queues
        queues.lose = queues.double = lambda _: False
        queues.late = lambda _: 0.0
        self.fleet.report_delay = lambda: 0.0
        self.fleet.hub.throttled.clear()
        self.conflicts = 0

    async def _settles(self, **span: float) -> None:
        fleet = self.fleet
        await fleet.run(minutes=10)
        for bucket in {bucket_of(name) for name in fleet.simulated}:
            await fleet.recount.bucket(INSTANCE, bucket)
        fleet.sweeps_every = _SELDOM
        await fleet.run(**span)
        fleet.sweeps_every = timedelta(minutes=1)
        deployment, progress = await now_of(fleet)
        begun = {
            name
            for name, item in fleet.simulated.items()
            if deployment.workflow_id in {ran.partition(".")[0] for ran in item.ran}
        }
        if progress.hold is Hold.WITHDRAW or progress.status.is_final:
            assert fleet.in_twins(deployment) <= begun
        assert not any(record.is_pending for record in fleet.records())
        assert fleet.asked(deployment) == fleet.in_twins(deployment)
        await check_history(fleet, self.model)
        await check_rollbacks(fleet)
        await check_recalled(fleet, self.model)
        await check_explanations(fleet, self.model)

    async def _converges(self) -> None:
        """With everybody alive and nothing new, work ends, and the roll-out says what it waits
        for.
        """
        fleet = self.fleet
        self._calm_down()
        for device in fleet.simulated.values():
            device.ends = lambda _: "succeeds"
            if not device.is_online:
                await fleet.go_online(device)
        await self._settles(hours=4)
        before, fleet.sweeps_every = fleet.queues.count, _SELDOM
        await fleet.run(hours=1)
        sweeps = timedelta(hours=1) // _SELDOM
        assert fleet.queues.count - before <= idle_messages(fleet, sweeps)


RolloutMachine.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=12,
    deadline=None,
    derandomize=SEED is None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestRollout = RolloutMachine.TestCase
if SEED is not None:
    TestRollout = seed(int(SEED))(TestRollout)
