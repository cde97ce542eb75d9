"""Counters kept beside the device rows they count.

A device contributes to the counters of its group and class (membership, installed update) and to
those of the deployment it was commanded for. A change of a device adds the difference of its
contributions, so a counter always equals a recount. When a device moves on to a newer deployment,
its share in the older one stays and is written down as a history row, so that a recount still finds
it; when it comes back (the newer one was deleted), that row goes again. Deployments are told apart
by their workflow id, for the id that an operator gave may be used again after a deletion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    DeviceView,
    deployment_state,
    device_key,
    evidence_of,
    has_agent,
    outcome_of,
    view,
    working_since,
)
from shared.domain.fleet.failure import counted_as
from shared.domain.fleet.health import health_of
from shared.domain.fleet.orders import EVERYTHING, OrderKind, order_of
from shared.domain.fleet.windows import when_to_ask
from shared.domain.rollouts.figures import Outcome, phase_cell, slot_end
from shared.domain.rollouts.windows import zone_named

type CounterKey = tuple[str, str]
"""Group id and device class id: one row of counters in each bucket."""
type Cell = str
"""Name of one counter within a row: see the `*_cell` functions."""
type Counts = Mapping[CounterKey, Mapping[Cell, int]]

TOTAL = "total"
CONNECTED = "connected"
DISCONNECTED = "disconnected"
UNHEALTHY = "unhealthy"
FAILED = "failed:"
"""Begins the cells of failures within deployments."""
PENDING = "pending"
"""Devices whose twin may not have been given the command of their row yet."""
WINDOWED = "windowed"
"""Devices with a maintenance window of their own."""
EXCLUDED = "excluded"
"""Devices that are excluded from every deployment."""
NOTHING_INSTALLED = "-"
_ZONE = "zone:"
_WORKING = "working:"
_DAY = len("2026-01-31")


def installed_cell(update: str, *, is_in_progress: bool) -> Cell:
    """Devices with this update installed, apart while a deployment is in progress on them."""
    return f"installed:{'busy' if is_in_progress else 'idle'}:{update}"


def deployment_cell(workflow_id: str, state: DeviceState) -> Cell:
    """Devices in this state within the deployment that has the workflow."""
    return f"deployment:{state}:{workflow_id}"


def failure_cell(workflow_id: str, code: str) -> Cell:
    """Devices that have failed with this code within the deployment that has the workflow."""
    return f"{FAILED}{code}:{workflow_id}"


def failing_cell(code: str) -> Cell:
    """Devices that have failed with this code in their last deployment."""
    return f"failing:{code}"


def heard_cell(at: str) -> Cell:
    """Devices, not known to be connected, whose last report is of that day."""
    return f"heard:{at[:_DAY]}"


def working_cell(at: str) -> Cell:
    """Devices in progress of which the last that is known is of that day."""
    return f"{_WORKING}{at[:_DAY]}"


def zone_cell(zone: str) -> Cell:
    """Devices in that time zone: one that there is, for devices may say what they like."""
    return f"{_ZONE}{zone}"


def devices_by_zone(rows: Iterable[Mapping[Cell, int]]) -> dict[str, int]:
    """How many devices are in each time zone by rows of counters; "" for those of which nobody says
    one that there is.
    """
    found = Counter[str]()
    for cells in rows:
        found[""] += cells.get(TOTAL, 0)
        for cell, count in cells.items():
            if cell.startswith(_ZONE) and count > 0:
                found[cell.removeprefix(_ZONE)] += count
                found[""] -= count
    return {zone: count for zone, count in found.items() if count > 0}


def is_later_cell(cell: Cell) -> bool:
    """Whether counters that release 0.1 wrote lack a cell."""
    return cell in (UNHEALTHY, WINDOWED, EXCLUDED) or cell.startswith((_WORKING, _ZONE))


@dataclass(frozen=True, slots=True)
class History:
    """How a device stands in a deployment that it has moved on from. `ended_at` is empty if it has
    not ended. `outcome` and `until` are how a roll-out counts it (`rollouts.figures`).
    """

    device_id: str
    module_id: str | None
    commanded: DeviceCommand
    state: DeviceState
    result_code: int | None
    extended_result_codes: tuple[int, ...]
    ended_at: str
    outcome: str = ""
    until: int = 0

    @property
    def workflow_id(self) -> str:
        """The deployment's."""
        return self.commanded.workflow_id

    @property
    def deployment_id(self) -> str:
        """The deployment's."""
        return self.commanded.deployment_id

    @property
    def group_id(self) -> str:
        """The group as whose member the device took part."""
        return self.commanded.group_id

    @property
    def class_id(self) -> str:
        """The class as whose member the device took part."""
        return self.commanded.class_id

    @property
    def retry_count(self) -> int:
        """How often it was asked again."""
        return self.commanded.retry_count

    @property
    def key(self) -> str:
        """Identity of the device within the instance."""
        return device_key(self.device_id, self.module_id)


def contribution(
    record: DeviceRecord, seen: DeviceView | None = None
) -> dict[CounterKey, Counter[Cell]]:
    """What one device adds to the counters.

    Args:
        record: The device.
        seen: What the record adds up to, where that is known already.
    """
    seen = seen or view(record)
    cells: dict[CounterKey, Counter[Cell]] = {}
    if seen.device_class is None and not has_agent(record):
        return cells  # what was removed from the twin counts in nothing
    if seen.device_class is not None:
        cells[seen.group_id, seen.device_class.class_id] = _presence(record, seen)
    if record.commanded is not None and seen.state is not None:
        there = cells.setdefault((record.commanded.group_id, record.commanded.class_id), Counter())
        there[deployment_cell(record.commanded.workflow_id, seen.state)] = 1
        if seen.state is DeviceState.FAILED:
            there[failure_cell(record.commanded.workflow_id, _failure_code(record))] = 1
        if record.is_pending:
            there[PENDING] = 1
        if record.commanded.label:
            there[_phase_cell(record, record.commanded)] = 1
    return cells


def _presence(record: DeviceRecord, seen: DeviceView) -> Counter[Cell]:
    """What it adds where it is now."""
    busy = seen.state is DeviceState.IN_PROGRESS
    installed = str(seen.installed) if seen.installed else NOTHING_INSTALLED
    here = Counter({TOTAL: 1, installed_cell(installed, is_in_progress=busy): 1})
    if record.is_connected:
        here[CONNECTED] = 1
    else:
        here[heard_cell(record.heard_at)] = 1
        if record.connection_sequence:
            here[DISCONNECTED] = 1
    if seen.state is DeviceState.FAILED:
        here[failing_cell(_failure_code(record))] = 1
    if busy:
        here[working_cell(working_since(record))] = 1
    zone, window = when_to_ask(record)
    if zone is not None and zone_named(zone) is not None:
        here[zone_cell(zone)] = 1
    if window is not None:
        here[WINDOWED] = 1
    if order_of(record.orders, OrderKind.EXCLUDE, EVERYTHING) is not None:
        here[EXCLUDED] = 1
    health = health_of(record, seen)
    if health is not None and not health.is_healthy:
        here[UNHEALTHY] = 1
    return here


def history_contribution(history: History) -> dict[CounterKey, Counter[Cell]]:
    """What a device that moved on still adds to the counters of the older deployment."""
    cells = Counter({deployment_cell(history.workflow_id, history.state): 1})
    if history.state is DeviceState.FAILED:
        code = counted_as(history.extended_result_codes)
        cells[failure_cell(history.workflow_id, code)] = 1
    if history.outcome:
        label, outcome = history.commanded.label, Outcome(history.outcome)
        cells[phase_cell(label, outcome, history.workflow_id, history.until)] = 1
    return {(history.group_id, history.class_id): cells}


def moved_on(old: DeviceRecord | None, new: DeviceRecord) -> History | None:
    """The history row to write when a change makes a device move on to another deployment."""
    if old is None or old.commanded is None:
        return None
    if new.commanded is not None and new.commanded.workflow_id == old.commanded.workflow_id:
        return None
    # a device that was told to stop is not waited for any more
    return outcome_in(old, replace(old.commanded, is_given_up=old.commanded.is_cancel))


def outcome_in(record: DeviceRecord, commanded: DeviceCommand) -> History:
    """How a device stands in a deployment that it was once commanded for, by all it has reported
    about it.
    """
    asked = replace(record, commanded=commanded)
    state, known = deployment_state(asked), evidence_of(asked)
    assert state is not None
    ended_at = ""
    if known is not None and state is not DeviceState.IN_PROGRESS:
        ended_at = known.at
        if state is DeviceState.SUCCEEDED:
            ended_at = known.installed_at(commanded.update_id)
    outcome, until = "", 0
    if commanded.label:
        outcome, until = str(outcome_of(asked)), _slot(asked, commanded)
    return History(
        device_id=record.device_id,
        module_id=record.module_id,
        commanded=commanded,
        state=state,
        result_code=known.result_code if known else None,
        extended_result_codes=known.extended_result_codes if known else (),
        ended_at=ended_at,
        outcome=outcome,
        until=until,
    )


def resumed_workflow(old: DeviceRecord | None, new: DeviceRecord) -> str | None:
    """The workflow that a change makes a device run: its history row there must go, if any."""
    known = old.commanded.workflow_id if old is not None and old.commanded else None
    asked = new.commanded.workflow_id if new.commanded else None
    return asked if asked != known else None


def difference(
    before: Counts,
    after: Counts,
    history: History | None = None,
    forgotten: History | None = None,
    revised: Iterable[tuple[History, History]] = (),
) -> dict[CounterKey, dict[Cell, int]]:
    """What a change of a device changes in the counters; cells that stay are left out.

    A row is named even if all its cells stay, as long as other rows add up to them than before: by
    an unchanged row of counters a recount knows that nothing it sums has changed meanwhile.

    Args:
        before: What the device contributed; nothing if it is new.
        after: What it contributes now.
        history: The history row that is added.
        forgotten: The history row that goes.
        revised: History rows that change, before and after.
    """
    sums: dict[CounterKey, Counter[Cell]] = {}
    changed = {
        place for place in before.keys() | after.keys() if before.get(place) != after.get(place)
    }
    for counts, sign in ((after, 1), (before, -1)):
        _add(sums, {place: counts[place] for place in changed & counts.keys()}, sign)
    rows = [(history, 1), (forgotten, -1)]
    for old, new in revised:
        rows += [(new, 1), (old, -1)]
    for row, sign in rows:
        if row is not None:
            _add(sums, history_contribution(row), sign)
    return _changed(sums)


def net(changes: Iterable[Counts]) -> dict[CounterKey, dict[Cell, int]]:
    """Several changes of counters as one; cells that stay are left out, rows are not."""
    return _changed(total(changes))


def apply(row: Mapping[Cell, int], change: Mapping[Cell, int]) -> dict[Cell, int]:
    """A row of counters after a change; cells that reach zero disappear."""
    cells = Counter(row)
    cells.update(change)
    return {cell: count for cell, count in cells.items() if count}


def total(rows: Iterable[Counts]) -> dict[CounterKey, dict[Cell, int]]:
    """The sum of the counters of several buckets."""
    sums: dict[CounterKey, Counter[Cell]] = {}
    for row in rows:
        _add(sums, row, 1)
    return {key: dict(cells) for key, cells in sums.items()}


def distance(one: Counts, other: Counts) -> int:
    """By how much two sums differ, over all cells: about six for each step of a device."""
    none: Mapping[Cell, int] = {}
    return sum(
        abs(one.get(place, none).get(cell, 0) - other.get(place, none).get(cell, 0))
        for place in one.keys() | other.keys()
        for cell in one.get(place, none).keys() | other.get(place, none).keys()
    )


def _phase_cell(record: DeviceRecord, commanded: DeviceCommand) -> Cell:
    outcome = outcome_of(record)
    assert outcome is not None
    until = _slot(record, commanded)
    return phase_cell(commanded.label, outcome, commanded.workflow_id, until)


def _slot(record: DeviceRecord, commanded: DeviceCommand) -> int:
    """The end of the slot of the last report about the ask, or of the ask itself."""
    known = evidence_of(record)
    at = known.at if known is not None and known.at else commanded.stamp
    return slot_end(at, commanded.slot_minutes) if at and commanded.slot_minutes else 0


def _failure_code(record: DeviceRecord) -> str:
    known = evidence_of(record)
    return counted_as(known.extended_result_codes if known else ())


def _add(sums: dict[CounterKey, Counter[Cell]], counts: Counts, sign: int) -> None:
    for key, cells in counts.items():
        into = sums.setdefault(key, Counter())
        for cell, count in cells.items():
            into[cell] += sign * count


def _changed(sums: Counts) -> dict[CounterKey, dict[Cell, int]]:
    return {
        key: {cell: count for cell, count in cells.items() if count} for key, cells in sums.items()
    }
