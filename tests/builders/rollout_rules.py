"""What happens to a fleet in a roll-out: time, faults, devices and operators."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import rule

from shared.domain.fleet.counters import Counts, total
from shared.domain.fleet.rollout_controls import abort, advance, pause, resume
from shared.domain.rollouts.specification import FailureRule, Gate, Phase, Rollout, Select
from shared.services.deployments.evaluator import GroupSums
from tests.builders.rollout_laws import now_of
from tests.builders.rollout_machine import DEVICES, MODELS, NUMBERS, RolloutWorld
from tests.builders.rollout_model import NAME
from tests.fakes.faults import Crash
from tests.fakes.rollouts import Device
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

_ENDS = ("succeeds", "fails", "hangs", "reverts")
_ZONES = ("UTC", "Asia/Tokyo", "Mars/Olympus")
_EDITS: dict[str, dict[str, Any]] = {
    "cap": {"maximum_in_flight": 3},
    "no cap": {"maximum_in_flight": None},
    "priority": {"priority": 700},
    "rule": {"failure": FailureRule(percent=20, minimum_sample=6)},
    "windows gone": {"windows": ()},
}
_NEWER = Rollout(phases=(Phase(select=Select(percent=30), gate=Gate(minimum_sample=1)),))


class FaultRules(RolloutWorld):
    """Time, and what goes wrong in it."""

    sums: GroupSums | None = None

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

    @rule(lost=st.booleans(), doubled=st.booleans(), late=st.booleans())
    def queue_misbehaves(self, lost: bool, doubled: bool, late: bool) -> None:
        queues = self.fleet.queues
        queues.lose = lambda message: lost and message.queue not in ("fanout", "recall")
        queues.double = lambda _: doubled
        queues.late = lambda _: 47.0 * (queues.count % 3) if late else 0.0

    @rule(number=NUMBERS)
    def hub_throttles_or_recovers(self, number: int) -> None:
        self.fleet.hub.throttled ^= {f"d{number}"}

    @rule(count=st.integers(1, 3))
    def other_writers_get_in_between(self, count: int) -> None:
        self.conflicts = count

    @rule()
    def another_process_goes_on(self) -> None:
        self.next_process()

    @rule(is_late=st.booleans())
    def reports_overtake_each_other_or_not(self, is_late: bool) -> None:
        told = self.fleet.told
        self.fleet.report_delay = lambda: 19.0 * (len(told) % 3) if is_late else 0.0

    @rule(back=st.integers(0, 11))
    def report_comes_again(self, back: int) -> None:
        if back < len(self.fleet.told):
            self.do(self.fleet.bring(self.fleet.told[back]))

    @rule()
    def sums_are_taken_or_come_late(self) -> None:
        self.do(self._sums())

    async def _sums(self) -> None:
        if self.sums is not None:
            sums, self.sums = self.sums, None
            await self.fleet.evaluator.check(INSTANCE, "$default", sums)
            return
        as_of, counts, ledgers = self.fleet.clock.now(), dict[int, Counts](), {}
        for bucket in await self.fleet.fleet.buckets(INSTANCE, "$default"):
            counts[bucket], ledgers[bucket] = await self.fleet.devices.tally(
                INSTANCE, bucket, "$default"
            )
        self.sums = GroupSums(total(counts.values()), counts, ledgers, as_of)


class DeviceRules(RolloutWorld):
    """What devices do, and what is done to them in the hub."""

    def device(self, number: int) -> Device | None:
        return self.fleet.simulated.get(f"d{number}")

    @rule(number=NUMBERS, ends=st.sampled_from(_ENDS))
    def device_will_end(self, number: int, ends: str) -> None:
        if (device := self.device(number)) is not None:
            device.ends = lambda _: ends

    @rule(ends=st.sampled_from(_ENDS))
    def all_devices_will_end(self, ends: str) -> None:
        for device in self.fleet.simulated.values():
            device.ends = lambda _: ends

    @rule(number=NUMBERS)
    def device_goes_off_or_on(self, number: int) -> None:
        device = self.device(number)
        if device is not None and device.is_online:
            device.is_online = False
        elif device is not None:
            self.do(self.fleet.go_online(device))

    @rule(number=st.integers(0, 2 * DEVICES))
    def device_joins_or_is_created_again(self, number: int) -> None:
        if self.device(number) is None:
            self.do(self.fleet.add([Device(f"d{number}")]))

    @rule(number=NUMBERS)
    def device_is_deleted(self, number: int) -> None:
        if self.device(number) is not None:
            self.do(self.fleet.delete(f"d{number}"))
            self.model.forget(f"d{number}")

    @rule(number=NUMBERS, model=st.sampled_from(MODELS))
    def device_changes_its_class(self, number: int, model: str) -> None:
        if (device := self.device(number)) is not None:
            device.model = model
            self.do(self.fleet.introduce(device))

    @rule(number=NUMBERS, group=st.sampled_from(["$default", "elsewhere"]))
    def device_changes_its_group(self, number: int, group: str) -> None:
        self._tag(number, {"ADUGroup": None if group == "$default" else group})

    @rule(number=NUMBERS, zone=st.sampled_from(_ZONES))
    def device_changes_its_zone(self, number: int, zone: str) -> None:
        self._tag(number, {"timeZone": zone})

    @rule(number=NUMBERS, is_set=st.booleans())
    def device_gets_a_window_of_its_own(self, number: int, is_set: bool) -> None:
        self._tag(number, {"updateWindow": "30 */2 * * * for 1h in UTC" if is_set else None})

    def _tag(self, number: int, tags: dict[str, Any]) -> None:
        if self.device(number) is not None:
            self.do(self.fleet.tag(f"d{number}", tags))


class OperatorRules(RolloutWorld):
    """What operators do."""

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

    @rule(act=st.sampled_from(["plain", "phased", "abort", "delete"]))
    def operator_makes_or_ends_a_newer_deployment(self, act: str) -> None:
        async def make() -> None:
            fleet = self.fleet
            known = await fleet.deployments.get(INSTANCE, "$default", "newer")
            if act in ("plain", "phased") and known is None:
                await fleet.roll_out(_NEWER if act == "phased" else None, V1, "newer")
            elif act == "abort" and known is not None and known.value.rollout is not None:
                await fleet.operate(abort, "", name="newer")
            elif act == "delete" and known is not None:
                await fleet.deploy.delete(INSTANCE, "$default", "newer")

        self.tried(make())

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

        self.tried(act())

    @rule(number=NUMBERS, kind=st.sampled_from(["Exclude", "Include", "Cancel", "Retry"]))
    def operator_orders_something_for_a_device(self, number: int, kind: str) -> None:
        self.tried(self.model.order(f"d{number}", kind))

    @rule(number=NUMBERS, has_window=st.booleans())
    def operator_gives_a_device_a_deployment_or_takes_it(
        self, number: int, has_window: bool
    ) -> None:
        self.tried(self.model.give_or_take(f"d{number}", has_window=has_window))

    @rule(is_retry=st.booleans(), index=st.integers(0, 1))
    def operator_cancels_or_retries_a_class(self, is_retry: bool, index: int) -> None:
        async def act() -> None:
            classes = await self.fleet.fleet.classes(INSTANCE)
            class_id = classes[index % len(classes)].device_class.class_id
            act = self.fleet.deploy.retry if is_retry else self.fleet.deploy.cancel
            await act(INSTANCE, "$default", class_id, NAME)

        self.tried(act())

    @rule(update=st.sampled_from([V1, V2]), is_sure=st.sampled_from([False, False, True]))
    def operator_recalls_an_update(self, update: Any, is_sure: bool) -> None:
        if is_sure:
            self.do(self.fleet.recalls.start(INSTANCE, update, "bad"))
            self.model.recalled.add(str(update))
