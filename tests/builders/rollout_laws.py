"""The laws that a fleet in a roll-out is held against; the numbers are those of the invariants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.domain.fleet.counters import Counts, contribution, history_contribution, total
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.listing import ListedDevice, listed
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.domain.fleet.reconcile_decision import Decision
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.selection import phase_of
from shared.domain.rollouts.transition import Step
from shared.domain.updates.update_id import UpdateId
from shared.ports import Stored
from tests.builders.rollout_model import NAME, Model
from tests.fakes.rollouts import Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2

_REMEMBERED = 10_000


_UNTIL_LOOKED_AT = timedelta(minutes=40)


def _before(fleet: Fleet) -> str:
    """The instant before which what was due has been seen to."""
    return (fleet.clock.moment - _UNTIL_LOOKED_AT).isoformat(timespec="microseconds")


def idle_messages(fleet: Fleet, sweeps: int) -> int:
    """Messages that a fleet may cost in which nothing happens: the sweeps' looks at each group,
    sums that they bring, and what waits for windows that open and close.
    """
    return 2 * sweeps * 2 + 4 * len(fleet.simulated)


async def now_of(fleet: Fleet) -> tuple[Deployment, Progress]:
    """The roll-out, and where it stands."""
    deployment = await fleet.deployment(NAME)
    assert deployment.progress is not None
    return deployment, deployment.progress


async def check_twins(fleet: Fleet) -> None:
    """1, 2: nobody stands asked beyond the opened phases or before an approval."""
    deployment, progress = await now_of(fleet)
    assert deployment.rollout is not None
    asked = fleet.in_twins(deployment)
    for name in asked:
        phases = deployment.rollout.phases
        record = fleet.row(name)
        seen = view(record).device_class
        assert seen is not None
        reached = phase_of(phases, deployment.seed, name, seen.class_id, progress.phase)
        assert record.commanded is not None
        # a phase by count keeps the devices that it took in
        was_counted = record.commanded.label == "0" and phases[0].select.count is not None
        assert reached is not None or was_counted, name
    if not progress.opened:
        assert not asked


async def check_counters(fleet: Fleet) -> None:
    """4, 13: every counter and list equals a recount, nobody is listed twice; the cells of a label
    add up to the published states.
    """
    for bucket in {place[1] for place, _ in fleet.devices.rows.items()}:
        rows = [_counted(row) for _, row in fleet.devices.rows.near(INSTANCE, bucket)]
        past = (await fleet.devices.histories(INSTANCE, bucket)).items
        counted = total(
            [
                *(counts for counts, _ in rows),
                *(history_contribution(row.value) for row in past),
            ]
        )
        found = {}
        for group in {group for group, _ in counted}:
            counts = await fleet.devices.counts(INSTANCE, bucket, group)
            found |= {place: dict(cells) for place, cells in counts.items() if cells}
        assert found == {place: cells for place, cells in counted.items() if cells}
        lists = await fleet.devices.listed_in(INSTANCE, bucket)
        items = [item for _, item in rows if item is not None]
        assert {place: row.value for place, row in lists.items()} == {
            item.place: item for item in items
        }
        assert len({key for _, key in lists}) == len(lists)
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
    """6: phases open one after the other, each once, after the one before was covered or somebody
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


async def check_rollbacks(fleet: Fleet) -> None:
    """9: once all has settled nobody is left with what was rolled back."""
    stored = [row.value for row in await fleet.deployments.of_group(INSTANCE, "$default")]
    for rollback in (item for item in stored if item.undoes and item.recall_reason is None):
        for record in fleet.records():
            seen = view(record)
            is_there = seen.group_id == rollback.group_id and seen.device_class is not None
            if not is_there or seen.device_class is None or not rollback.targets(seen.device_class):
                continue
            current = record.commanded
            is_left = current is not None and current.workflow_id == rollback.undoes
            assert not is_left or (current is not None and current.is_cancel), record.device_id


async def check_recalled(fleet: Fleet, model: Model) -> None:
    """10: what was recalled stands in no twin, but in that of a device that has installed it."""
    for (device_id, _), twin in fleet.hub.twins.items():
        service = twin.desired.get("deviceUpdate", {}).get("service")
        manifest = (service or {}).get("updateManifest") or ""
        asked = manifest.rpartition(" ")[2]
        if asked in model.recalled and str(fleet.simulated[device_id].installed) != asked:
            assert service["workflow"]["action"] != 3, device_id


async def check_explanations(fleet: Fleet, model: Model) -> None:
    """1, 11: what the decision would do is done; what it says fits what operators ordered."""
    service = fleet.services.reporting.explanations
    deployment, progress = await now_of(fleet)
    newest = max(
        (row.value for row in await fleet.deployments.of_group(INSTANCE, "$default")),
        key=lambda item: item.precedence,
    )
    for name, device in fleet.simulated.items():
        record = fleet.row(name)
        group = view(record).group_id
        stored = await fleet.deployments.of_group(INSTANCE, group)
        known = by_precedence(item.value for item in stored)
        decision = desired_command(record, known, fleet.clock.now())
        if _has_just_opened(fleet, record, known, decision):
            continue
        explained = (await service.of_device(INSTANCE, name, None, V2)).explanation
        codes = {each.code for each in explained.reasons}
        decides = [each.code for each in explained.reasons if each.decides]
        assert len(decides) == 1, (name, codes)
        if decision.command is not None and decision.deployment is not None:
            check_room(decision, codes, decides[0], explained.update_id)
        else:
            assert decision.command is None, (name, decision)
        is_without = device.installed != V2 and not device.running
        if device.installed == V2 and view(record).installed == V2:
            assert decides == ["Installed"], (name, codes)
        elif str(V2) in model.recalled:
            assert decides[0] in ("UpdateRecalled", "Reverted"), (name, codes)
        elif group != "$default":
            assert "NotInGroup" in codes or name in model.given, (name, codes)
        elif name in model.given or newest.workflow_id != deployment.workflow_id:
            continue
        elif name in model.excluded and is_without and progress.opened:
            assert "Excluded" in codes, (name, codes)
        elif is_without and not progress.opened and progress.unapproved_since:
            assert codes & {"AwaitingApproval", "Rejected"}, (name, codes)


def _has_just_opened(
    fleet: Fleet, record: DeviceRecord, known: Sequence[Deployment], decision: Decision
) -> bool:
    """Whether a window has: groups in which nothing moves are seldom looked at."""
    was_due = desired_command(record, known, _before(fleet)).command is not None
    return decision.command is not None and not was_due


def check_room(
    decision: Decision, codes: set[str], decides: str, update_id: UpdateId | None
) -> None:
    """11: who is due, and not asked although all has settled, waits for room alone."""
    assert decision.deployment is not None
    rollout = decision.deployment.rollout
    assert rollout is not None, decides
    if decision.is_member:  # or for a later phase
        assert decides not in ("Queued", "WillGet"), codes
        return
    assert rollout.maximum_in_flight is not None, decides
    assert update_id != decision.deployment.update_id or "NoRoom" in codes


def _counted(row: Stored[DeviceRecord]) -> tuple[Counts, ListedDevice | None]:
    """What a row adds to the counters and lists: it is looked at often, and seldom another."""
    found = _SEEN.get(row.etag)
    if found is None:
        if len(_SEEN) > _REMEMBERED:
            _SEEN.clear()
        found = _SEEN[row.etag] = contribution(row.value), listed(row.value)
    return found


_SEEN: dict[str, tuple[Counts, ListedDevice | None]] = {}
