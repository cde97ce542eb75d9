"""Whatever operators, devices, queues and the hub do to a roll-out, these laws hold.

`ODU_ROLLOUT_RUNS` says how many runs are drawn.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.rollout_controls import abort, advance, pause, resume
from shared.domain.rollouts.ledger import asks_of
from shared.domain.rollouts.progress import Hold
from shared.domain.rollouts.specification import FailureRule, Gate, Phase, Rollout, Select, Window
from tests.builders.rollout_laws import (
    NAME,
    Model,
    check_counters,
    check_explanations,
    check_history,
    check_twins,
    now_of,
)
from tests.fakes.faults import Crash
from tests.fakes.rollouts import Device, Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

RUNS = int(os.environ.get("ODU_ROLLOUT_RUNS", "100"))
_ENDS = ("succeeds", "fails", "hangs", "reverts")
_ZONES = ("UTC", "Asia/Tokyo", "Mars/Olympus")
_NUMBERS = st.integers(0, 11)
_EDITS: dict[str, dict[str, Any]] = {
    "cap": {"maximum_in_flight": 3},
    "no cap": {"maximum_in_flight": None},
    "priority": {"priority": 700},
    "rule": {"failure": FailureRule(percent=20, minimum_sample=6)},
    "windows gone": {"windows": ()},
}


class RolloutMachine(RuleBasedStateMachine):
    """A fleet of a dozen devices, an older deployment and a roll-out."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.fleet = Fleet()
        self.model = Model()
        self.opened = -1
        self.asks: dict[int, int] = {}

    def teardown(self) -> None:
        try:
            if self.fleet.simulated:
                self.do(self._converges())
        finally:
            self.loop.close()

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def tried(self, work: Any) -> None:
        """What cannot be done now is refused, and changes nothing."""
        try:
            self.do(work)
        except DeviceUpdateError:
            return

    @initialize(
        percents=st.lists(st.sampled_from([10, 30, 60, 100]), min_size=1, max_size=3, unique=True),
        cap=st.sampled_from([None, 2, 5]),
        older=st.booleans(),
        window=st.booleans(),
        approval=st.booleans(),
    )
    def begin(
        self, percents: list[int], cap: int | None, older: bool, window: bool, approval: bool
    ) -> None:
        gate = Gate(minimum_sample=1, success_percent=50)
        rollout = Rollout(
            phases=tuple(
                Phase(select=Select(percent=each), gate=gate) for each in sorted(percents)
            ),
            maximum_in_flight=cap,
            failure=FailureRule(minimum_sample=6),
            windows=(Window(cron="0 */2 * * *", duration="PT1H", zone="device"),) if window else (),
            approval="Required" if approval else "None",
        )

        async def made() -> None:
            await self.fleet.with_updates(V1, V2)
            await self.fleet.add(Device(f"d{number}") for number in range(12))
            await self.fleet.run(minutes=1)
            if older:
                await self.fleet.roll_out(None, V1, "older")
                await self.fleet.run(minutes=5)
            await self.fleet.roll_out(rollout, V2)

        self.do(made())

    # time, and what goes wrong in it

    @rule(minutes=st.sampled_from([1, 3, 10, 60]))
    def time_passes(self, minutes: int) -> None:
        self.do(self.fleet.run(minutes=minutes))

    @rule(call=st.integers(1, 60))
    def process_dies(self, call: int) -> None:
        self.fleet.faults.crash_at(call)
        try:
            self.do(self.fleet.run(minutes=3))
        except Crash:
            self.fleet.rebuild()
        self.fleet.faults.crash_at(None)

    @rule(lost=st.booleans(), doubled=st.booleans())
    def queue_misbehaves(self, lost: bool, doubled: bool) -> None:
        self.fleet.queues.lose = lambda message: lost and message.queue != "fanout"
        self.fleet.queues.double = lambda _: doubled

    @rule(number=_NUMBERS)
    def hub_throttles_or_recovers(self, number: int) -> None:
        self.fleet.hub.throttled ^= {f"d{number}"}

    # devices

    @rule(number=_NUMBERS, ends=st.sampled_from(_ENDS))
    def device_will_end(self, number: int, ends: str) -> None:
        self.fleet.simulated[f"d{number}"].ends = lambda _: ends

    @rule(number=_NUMBERS)
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

    @rule(number=_NUMBERS, group=st.sampled_from(["$default", "elsewhere"]))
    def device_changes_its_group(self, number: int, group: str) -> None:
        tag = None if group == "$default" else group
        self.do(self.fleet.tag(f"d{number}", {"ADUGroup": tag}))

    @rule(number=_NUMBERS, zone=st.sampled_from(_ZONES))
    def device_changes_its_zone(self, number: int, zone: str) -> None:
        self.do(self.fleet.tag(f"d{number}", {"timeZone": zone}))

    @rule(number=_NUMBERS, is_set=st.booleans())
    def device_gets_a_window_of_its_own(self, number: int, is_set: bool) -> None:
        window = "30 */2 * * * for 1h in UTC" if is_set else None
        self.do(self.fleet.tag(f"d{number}", {"updateWindow": window}))

    # operators

    @rule(action=st.sampled_from(["pause", "withdraw", "resume", "advance", "abort"]))
    def operator_acts(self, action: str) -> None:
        async def act() -> None:
            fleet, (_, progress) = self.fleet, await now_of(self.fleet)
            if action == "pause":
                await fleet.operate(pause, "")
            elif action == "withdraw":
                await fleet.operate(lambda *args: pause(*args, withdraw=True), "")
            elif action == "resume":
                await fleet.operate(resume, await fleet.forgiven())
            elif action == "advance":
                self.model.advanced.add(progress.phase + 1)
                await fleet.operate(advance, progress.phase + 1, {})
            elif progress.phase >= 1:
                await fleet.operate(abort, "")

        self.tried(act())

    @rule(is_approved=st.booleans(), by=st.sampled_from(["operator", "second"]))
    def somebody_approves_or_rejects(self, is_approved: bool, by: str) -> None:
        async def act() -> None:
            controls = self.fleet.services.deployments.controls
            revision = (await self.fleet.deployment(NAME)).revision
            act = controls.approve if is_approved else controls.reject
            await act((INSTANCE, "$default", NAME), by, revision, "")

        self.tried(act())

    @rule(edit=st.sampled_from(sorted(_EDITS)))
    def operator_edits(self, edit: str) -> None:
        async def act() -> None:
            known, _ = await now_of(self.fleet)
            rollout = msgspec.structs.replace(known.rollout, **_EDITS[edit])
            changed = await self.fleet.put(known, rollout)
            again = await self.fleet.put(known, rollout)
            assert again.revision == changed.revision
            assert changed.revision - known.revision == int(rollout != known.rollout)

        self.tried(act())

    @rule()
    def old_client_repeats_its_put(self) -> None:
        async def act() -> None:
            known, _ = await now_of(self.fleet)
            assert (await self.fleet.put(known, None)).revision == known.revision

        self.do(act())

    @rule(number=_NUMBERS, kind=st.sampled_from(["Exclude", "Include", "Cancel", "Retry"]))
    def operator_orders_something_for_a_device(self, number: int, kind: str) -> None:
        self.tried(self.model.order(self.fleet, f"d{number}", kind))

    @rule(number=_NUMBERS, has_window=st.booleans())
    def operator_gives_a_device_a_deployment_or_takes_it(
        self, number: int, has_window: bool
    ) -> None:
        self.tried(self.model.give_or_take(self.fleet, f"d{number}", has_window=has_window))

    @rule(is_retry=st.booleans())
    def operator_cancels_or_retries_the_class(self, is_retry: bool) -> None:
        async def act() -> None:
            (class_id,) = {known.device_class.class_id for known in await self._classes()}
            deploy = self.fleet.deploy
            await (deploy.retry if is_retry else deploy.cancel)(
                INSTANCE, "$default", class_id, NAME
            )

        self.tried(act())

    async def _classes(self) -> Any:
        return await self.fleet.fleet.classes(INSTANCE)

    # laws

    @invariant()
    def nobody_is_asked_who_must_not_be(self) -> None:
        if self.fleet.simulated:
            self.do(check_twins(self.fleet, self.model))

    @invariant()
    def grants_and_phases_only_grow_and_are_kept_to(self) -> None:
        if not self.fleet.simulated:
            return
        deployment, progress = self.do(now_of(self.fleet))
        assert progress.phase >= self.opened
        self.opened = progress.phase
        for bucket in {bucket_of(name) for name in self.fleet.simulated}:
            ledger = self.do(self.fleet.devices.ledger(INSTANCE, bucket, "$default")).value
            asks, _ = asks_of(ledger, deployment.workflow_id)
            assert asks >= self.asks.get(bucket, 0)
            if asks > self.asks.get(bucket, 0) and deployment.rollout.maximum_in_flight is not None:
                assert asks <= progress.allow_asks.get(bucket, 0) or self.model.was_uncapped
            self.asks[bucket] = asks
            self.model.was_uncapped |= deployment.rollout.maximum_in_flight is None

    @invariant()
    def every_counter_equals_a_recount_and_adds_up(self) -> None:
        self.do(check_counters(self.fleet))

    @rule()
    def once_settled_rows_twins_and_explanations_agree(self) -> None:
        self.fleet.queues.lose = self.fleet.queues.double = lambda _: False
        self.fleet.hub.throttled.clear()
        self.do(self._settles(minutes=40))

    async def _settles(self, **span: float) -> None:
        await self.fleet.run(minutes=10)
        for bucket in {bucket_of(name) for name in self.fleet.simulated}:
            await self.fleet.recount.bucket(INSTANCE, bucket)
        await self.fleet.run(**span)
        deployment, progress = await now_of(self.fleet)
        begun = {
            name
            for name, item in self.fleet.simulated.items()
            if deployment.workflow_id in {ran.partition(".")[0] for ran in item.ran}
        }
        if progress.hold is Hold.WITHDRAW or progress.status.is_final:
            assert self.fleet.in_twins(deployment) <= begun
        assert not any(record.is_pending for record in self.fleet.records())
        assert self.fleet.asked(deployment) == self.fleet.in_twins(deployment)
        await check_history(self.fleet, self.model)
        await check_explanations(self.fleet, self.model)

    async def _converges(self) -> None:
        """With everybody alive and nothing new, work ends, and the roll-out says what it waits
        for.
        """
        fleet = self.fleet
        fleet.queues.lose = fleet.queues.double = lambda _: False
        fleet.hub.throttled.clear()
        for device in fleet.simulated.values():
            device.ends = lambda _: "succeeds"
            if not device.is_online:
                await fleet.go_online(device)
        await self._settles(hours=4)
        before = fleet.queues.count
        await fleet.run(hours=1)
        assert fleet.queues.count - before <= self.model.idle_messages_an_hour(fleet)


RolloutMachine.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRollout = RolloutMachine.TestCase
