"""The model of a roll-out, and the laws that a fleet is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.fleet.counters import contribution, history_contribution, total
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import bucket_of, view
from shared.domain.fleet.orders import OrderKind
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.selection import phase_of
from shared.domain.rollouts.specification import Window
from shared.domain.rollouts.transition import Step
from shared.services.deployments.device_orders import OwnRequest
from tests.fakes.rollouts import Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

NAME = "roll-1"
_OWN = "mine"
_SWEEPS_AN_HOUR = 60


@dataclass
class Model:
    """What operators have done, as plain sets."""

    excluded: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    advanced: set[int] = field(default_factory=set)
    was_uncapped: bool = False

    async def order(self, fleet: Fleet, device: str, kind: str) -> None:
        """Order something for one device."""
        orders, place = fleet.services.deployments.device_orders, (INSTANCE, device, None)
        if kind == "Include":
            await orders.include(place, NAME, group="$default")
            self.excluded.discard(device)
            return
        await orders.order(
            place, NAME, OrderKind(kind), group="$default", by="operator", reason="a test"
        )
        if kind == "Exclude":
            self.excluded.add(device)

    async def give_or_take(self, fleet: Fleet, device: str, *, has_window: bool) -> None:
        """Give a device a deployment of its own, or take it away."""
        orders, place = fleet.services.deployments.device_orders, (INSTANCE, device, None)
        if device in self.given:
            await orders.withdraw(place, _OWN)
            self.given.discard(device)
            return
        windows = (Window(cron="0 */3 * * *", duration="PT1H"),) if has_window else ()
        request = OwnRequest(_OWN, V1, fleet.clock.now(), windows)
        await orders.deploy(place, request, "operator")
        self.given.add(device)

    def idle_messages_an_hour(self, fleet: Fleet) -> int:
        """Messages that a fleet may cost in which nothing happens: the sweep's looks at each group,
        sums that they bring, and what waits for windows that open and close.
        """
        return 2 * _SWEEPS_AN_HOUR + 4 * len(fleet.simulated)


async def now_of(fleet: Fleet) -> tuple[Deployment, Progress]:
    """The roll-out, and where it stands."""
    deployment = await fleet.deployment(NAME)
    assert deployment.progress is not None
    return deployment, deployment.progress


async def check_twins(fleet: Fleet, model: Model) -> None:
    """Nobody is asked beyond the opened phases, before an approval, or of two things at once."""
    deployment, progress = await now_of(fleet)
    assert deployment.rollout is not None
    asked = fleet.in_twins(deployment)
    for name in asked:
        phases = deployment.rollout.phases
        record = fleet.row(name)
        seen = view(record).device_class
        assert seen is not None
        reached = phase_of(phases, deployment.seed, name, seen.class_id, progress.phase)
        assert reached is not None, name
        assert record.commanded is not None
    if not progress.opened:
        assert not asked


async def check_counters(fleet: Fleet) -> None:
    """Every counter equals a recount; the cells of a label add up to the published states."""
    for bucket in {bucket_of(name) for name in fleet.simulated}:
        rows = (await fleet.devices.of_bucket(INSTANCE, bucket)).items
        past = (await fleet.devices.histories(INSTANCE, bucket)).items
        counted = total(
            [
                *(contribution(row.value) for row in rows),
                *(history_contribution(row.value) for row in past),
            ]
        )
        found = {}
        for group in {group for group, _ in counted}:
            counts = await fleet.devices.counts(INSTANCE, bucket, group)
            found |= {place: dict(cells) for place, cells in counts.items() if cells}
        assert found == {place: cells for place, cells in counted.items() if cells}
        for cells in counted.values():
            labels: dict[str, int] = {}
            states: dict[str, int] = {}
            for cell, count in cells.items():
                kind, _, rest = cell.partition(":")
                workflow = rest.rpartition(":")[2]
                into = {"p": labels, "deployment": states}.get(kind)
                if into is not None:
                    into[workflow] = into.get(workflow, 0) + count
            assert all(states[workflow] == count for workflow, count in labels.items())


async def check_history(fleet: Fleet, model: Model) -> None:
    """Phases open one after the other, each once, after the one before was covered or somebody
    went on; what ended goes no further.
    """
    opened, covered, ended = 0, set[int](), False
    for made in await fleet.history(NAME):
        assert not ended or made.step in (Step.CLASS_CANCELED, Step.CLASS_RETRIED), made
        if made.step in (Step.STARTED, Step.PHASE_OPENED):
            assert made.phase == opened
            assert made.step is Step.STARTED or opened - 1 in covered | {
                phase - 1 for phase in model.advanced
            }
            opened += 1
        if made.step is Step.PHASE_COVERED:
            covered.add(made.phase)
        ended = made.after in (Status.ENDED, Status.ABORTED, Status.ROLLED_BACK)


async def check_explanations(fleet: Fleet, model: Model) -> None:
    """What the decision would do is done; what it says fits what operators ordered."""
    service = fleet.services.reporting.explanations
    _, progress = await now_of(fleet)
    for name, device in fleet.simulated.items():
        record = fleet.row(name)
        group = view(record).group_id
        known = [item.value for item in await fleet.deployments.of_group(INSTANCE, group)]
        decision = desired_command(record, by_precedence(known), fleet.clock.now())
        explained = (await service.of_device(INSTANCE, name, None, V2)).explanation
        codes = {each.code for each in explained.reasons}
        decides = [each.code for each in explained.reasons if each.decides]
        assert len(decides) <= 1
        if decision.command is not None and decision.deployment is not None:
            # due, and not asked although all has settled: only for want of room
            assert decision.deployment.rollout is not None, (name, decides)
            assert decision.deployment.rollout.maximum_in_flight is not None, (name, decides)
        else:
            assert decision.command is None, (name, decision)
        is_without = device.installed != V2 and not device.running
        if name in model.excluded and group == "$default" and is_without and progress.opened:
            assert "Excluded" in codes or "Installed" in codes or name in model.given, (name, codes)
        if device.installed == V2 and view(record).installed == V2:
            assert "Installed" in codes
