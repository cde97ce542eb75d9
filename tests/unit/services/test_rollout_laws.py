"""Whatever operators, devices and queues do to a roll-out, these laws hold.

`ODU_ROLLOUT_RUNS` says how many runs are drawn.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.counters import contribution, history_contribution, total
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.rollout_controls import abort, advance, pause, resume
from shared.domain.rollouts.ledger import asks_of
from shared.domain.rollouts.progress import Hold, Progress
from shared.domain.rollouts.selection import phase_of
from shared.domain.rollouts.specification import FailureRule, Gate, Phase, Rollout, Select
from tests.builders.deployments import an_update
from tests.builders.scenario_fleets import ANY
from tests.fakes.rollouts import Device, Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

RUNS = int(os.environ.get("ODU_ROLLOUT_RUNS", "75"))
_ENDS = ("succeeds", "fails", "hangs")


class RolloutMachine(RuleBasedStateMachine):
    """A fleet of a dozen devices, an older deployment and a roll-out."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.fleet = Fleet()
        self.opened = -1
        self.asks: dict[int, int] = {}

    def teardown(self) -> None:
        self.loop.close()

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(
        percents=st.lists(st.sampled_from([10, 30, 60, 100]), min_size=1, max_size=3, unique=True),
        cap=st.sampled_from([None, 2, 5]),
        with_older=st.booleans(),
    )
    def begin(self, percents: list[int], cap: int | None, with_older: bool) -> None:
        async def made() -> None:
            for update_id in (V1, V2):
                await self.fleet.updates.add(INSTANCE, an_update(update_id, compatibility=ANY))
            await self.fleet.add(Device(f"d{number}") for number in range(12))
            await self.fleet.run(minutes=1)
            if with_older:
                await self.fleet.roll_out(None, V1, "older")
                await self.fleet.run(minutes=5)
            gate = Gate(minimum_sample=1, success_percent=50)
            phases = tuple(
                Phase(select=Select(percent=each), gate=gate) for each in sorted(percents)
            )
            rule = FailureRule(minimum_sample=6)
            await self.fleet.roll_out(
                Rollout(phases=phases, maximum_in_flight=cap, failure=rule), V2
            )

        self.do(made())

    @rule(minutes=st.sampled_from([1, 3, 10, 60]))
    def time_passes(self, minutes: int) -> None:
        self.do(self.fleet.run(minutes=minutes))

    @rule(number=st.integers(0, 11), ends=st.sampled_from(_ENDS))
    def device_will_end(self, number: int, ends: str) -> None:
        self.fleet.simulated[f"d{number}"].ends = lambda _: ends

    @rule(number=st.integers(0, 11))
    def device_goes_off_or_on(self, number: int) -> None:
        device = self.fleet.simulated[f"d{number}"]
        if device.is_online:
            device.is_online = False
        else:
            self.do(self.fleet.go_online(device))

    @rule(number=st.integers(12, 30))
    def device_joins(self, number: int) -> None:
        if f"d{number}" not in self.fleet.simulated:
            self.do(self.fleet.add([Device(f"d{number}")]))

    @rule(action=st.sampled_from(["pause", "withdraw", "resume", "advance", "abort"]))
    def operator_acts(self, action: str) -> None:
        async def act() -> None:
            fleet, progress = self.fleet, await self.fleet.progress()
            try:
                if action == "pause":
                    await fleet.operate(pause, "")
                elif action == "withdraw":
                    await fleet.operate(lambda *args: pause(*args, withdraw=True), "")
                elif action == "resume":
                    await fleet.operate(resume, await fleet.forgiven())
                elif action == "advance":
                    await fleet.operate(advance, progress.phase + 1, {})
                elif progress.phase >= 1:
                    await fleet.operate(abort, "")
            except DeviceUpdateError:
                return  # what cannot be done now is refused, and changes nothing

        self.do(act())

    @rule(lost=st.booleans(), doubled=st.booleans())
    def queue_misbehaves(self, lost: bool, doubled: bool) -> None:
        self.fleet.queues.lose = lambda message: lost and message.queue != "fanout"
        self.fleet.queues.double = lambda _: doubled

    async def _now(self) -> tuple[Deployment, Progress]:
        deployment = await self.fleet.deployment("roll-1")
        assert deployment.progress is not None
        return deployment, deployment.progress

    @invariant()
    def nobody_is_asked_beyond_the_opened_phases(self) -> None:
        if not self.fleet.simulated:
            return
        deployment, progress = self.do(self._now())
        assert deployment.rollout is not None
        for name in self.fleet.in_twins(deployment):
            class_id = "any"
            phases = deployment.rollout.phases
            assert phase_of(phases, deployment.seed, name, class_id, progress.phase) is not None, (
                name
            )

    @invariant()
    def grants_and_phases_only_grow_and_are_kept_to(self) -> None:
        if not self.fleet.simulated:
            return
        deployment, progress = self.do(self._now())
        assert progress.phase >= self.opened
        self.opened = progress.phase
        assert deployment.rollout is not None
        for bucket in {bucket_of(name) for name in self.fleet.simulated}:
            ledger = self.do(self.fleet.devices.ledger(INSTANCE, bucket, "$default")).value
            asks, _ = asks_of(ledger, deployment.workflow_id)
            assert asks >= self.asks.get(bucket, 0)
            self.asks[bucket] = asks
            if deployment.rollout.maximum_in_flight is not None:
                assert asks <= progress.allow_asks.get(bucket, 0)

    @invariant()
    def every_counter_equals_a_recount(self) -> None:
        for bucket in {bucket_of(name) for name in self.fleet.simulated}:
            rows = self.do(self.fleet.devices.of_bucket(INSTANCE, bucket)).items
            past = self.do(self.fleet.devices.histories(INSTANCE, bucket)).items
            counted = total(
                [
                    *(contribution(row.value) for row in rows),
                    *(history_contribution(row.value) for row in past),
                ]
            )
            counts = self.do(self.fleet.devices.counts(INSTANCE, bucket, "$default"))
            assert {place: dict(cells) for place, cells in counts.items() if cells} == counted

    @rule()
    def settled_pause_leaves_no_unstarted_command(self) -> None:
        """Once everything has settled, nothing stands in a twin that was to be taken back, and the
        rows say what the twins say.
        """
        self.fleet.queues.lose = self.fleet.queues.double = lambda _: False
        self.do(self.fleet.run(minutes=30))
        deployment, progress = self.do(self._now())
        begun = {
            name
            for name, item in self.fleet.simulated.items()
            if deployment.workflow_id in {ran.partition(".")[0] for ran in item.ran}
        }
        if progress.hold is Hold.WITHDRAW or progress.status.is_final:
            assert self.fleet.in_twins(deployment) <= begun
        assert not any(record.is_pending for record in self.fleet.records())
        assert self.fleet.asked(deployment) == self.fleet.in_twins(deployment)


RolloutMachine.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRollout = RolloutMachine.TestCase
