"""A fleet of few devices, an older deployment and a roll-out: what the rules act on."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from shared.domain.errors import ConcurrentUpdate, DeviceUpdateError
from shared.domain.fleet.deployment import RollbackPolicy
from shared.domain.rollouts.specification import (
    Deadlines,
    FailureRule,
    Gate,
    Phase,
    Rollout,
    Select,
    Window,
)
from tests.builders.rollout_model import Model
from tests.fakes.devices import MemoryDevices
from tests.fakes.rollouts import Device, Fleet
from tests.fakes.timed import InstantLoop
from tests.unit.domain.builders import V1, V2

DEVICES = 9
NUMBERS = st.integers(0, DEVICES - 1)
MODELS = ("kiosk", "tower")


class RolloutWorld(RuleBasedStateMachine):
    """The fleet, its model, and how rules have something done."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = InstantLoop()
        self.fleet = Fleet()
        self.model = Model(self.fleet)
        self.conflicts = 0
        devices = self.fleet.devices
        self.processes = itertools.cycle([devices, devices.of_another_process()])
        self.fleet.on_report = self.model.heard
        self.next_process()

    def next_process(self) -> None:
        """Another process goes on, which remembers older rows."""
        devices = self.fleet.devices = next(self.processes)
        commit = MemoryDevices.commit.__get__(devices)

        async def watched(*args: Any) -> Any:
            if self.conflicts:
                self.conflicts -= 1
                raise ConcurrentUpdate("Another writer got in between.")
            made = await commit(*args)
            for write in args[2]:
                self.model.saw(write)
            return made

        devices.commit = watched  # type: ignore[method-assign]
        self.fleet.rebuild()

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
        count=st.sampled_from([None, None, 1, 3]),
        cap=st.sampled_from([None, None, 2, 5]),
        action=st.sampled_from(["Pause", "Rollback", "Abort"]),
        gate=st.sampled_from(["plain", "bakes", "manual"]),
        options=st.sets(st.sampled_from(["older", "window", "approval", "short"])),
    )
    def begin(
        self,
        percents: list[int],
        count: int | None,
        cap: int | None,
        action: Any,
        gate: str,
        options: set[str],
    ) -> None:
        rule = Gate(
            minimum_sample=1,
            success_percent=50,
            bake_time="PT10M" if gate == "bakes" else "PT0S",
            advance="Manual" if gate == "manual" else "Auto",
        )
        window = Window(cron="0 */2 * * *", duration="PT1H", zone="device")
        first = (Phase(select=Select(count=count), gate=rule),) if count else ()
        others = (Phase(select=Select(percent=each), gate=rule) for each in sorted(percents))
        rollout = Rollout(
            phases=(*first, *others),
            maximum_in_flight=cap,
            failure=FailureRule(minimum_sample=6, action=action),
            windows=(window,) if "window" in options else (),
            approval="Required" if "approval" in options else "None",
            deadlines=Deadlines(start="PT30M", progress="PT45M")
            if "short" in options
            else Deadlines(),
        )

        async def made() -> None:
            fleet = self.fleet
            await fleet.with_updates(V1, V2)
            await fleet.add(
                Device(f"d{number}", MODELS[number % 5 == 0]) for number in range(DEVICES)
            )
            await fleet.run(minutes=1)
            if "older" in options:
                await fleet.roll_out(None, V1, "older")
                await fleet.run(minutes=5)
            policy = RollbackPolicy(V1, failed_percentage=100, failed_count=1000)
            await fleet.roll_out(rollout, V2, rollback_policy=policy)

        self.do(made())
