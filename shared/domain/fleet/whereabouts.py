"""Which buckets a list has to look into: told from the counters that a roll-up sums up anyway.

A few devices among a million lie in a few of the 256 buckets. A roll-up writes down which those are
for each counter of few buckets, and a list leaves out the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from shared.domain.fleet.compliance import is_on_latest
from shared.domain.fleet.counters import (
    CONNECTED,
    DISCONNECTED,
    NOTHING_INSTALLED,
    TOTAL,
    UNHEALTHY,
    Cell,
    Counts,
    deployment_cell,
    failing_cell,
    heard_cell,
    installed_cell,
    working_cell,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.listing import Selection
from shared.domain.updates.update_id import UpdateId

FEW_BUCKETS = 16
"""So many are read for a page anyway: nothing is left out of a group of no more."""
_SPARSE = 64
"""What lies in more buckets than these is found soon in any."""
_FAILING, _HEARD, _WORKING = failing_cell(""), heard_cell(""), working_cell("")
_INSTALLED = "installed:"
_BUSY = installed_cell("", is_in_progress=True)
_DEPLOYMENT = "deployment:"
_PREFIXES = (
    _FAILING,
    _HEARD,
    _WORKING,
    _INSTALLED,
    _DEPLOYMENT,
    CONNECTED,
    DISCONNECTED,
    UNHEALTHY,
)
_CLASS = "class:"

type Whereabouts = Mapping[Cell, Collection[int] | None]
"""Buckets by counter, for every counter that is not zero; None stands for more than a few."""


def whereabouts(by_bucket: Mapping[int, Counts], group: str) -> dict[Cell, list[int] | None]:
    """Where the devices of a group are that its counters count.

    Args:
        by_bucket: The counters of each bucket.
        group: The group.
    """
    found: dict[Cell, list[int] | None] = {}
    for bucket, counts in sorted(by_bucket.items()):
        for cell in {each for place, cells in counts.items() for each in _kept(place, cells)}:
            known = found.setdefault(cell, [])
            if known is not None:
                known.append(bucket)
                if len(known) > _SPARSE:
                    found[cell] = None
    return found


def buckets_with(known: Whereabouts, wanted: Selection) -> set[int] | None:
    """The buckets that can have a device of a selection; None if that may be any."""
    found: set[int] | None = None
    for cells in _cells(known, wanted):
        places = [known[cell] for cell in cells]
        if any(place is None for place in places):
            continue
        buckets = {bucket for place in places for bucket in place or ()}
        found = buckets if found is None else found & buckets
    return found


def buckets_in_state(
    known: Whereabouts, workflow_id: str, state: DeviceState
) -> Collection[int] | None:
    """The buckets that count a device in a state of a deployment, those that have moved on to
    another one included; None if that may be any, as where a release that named no deployments here
    wrote it down.
    """
    if not any(cell.startswith(_DEPLOYMENT) for cell in known):
        return None
    return known.get(deployment_cell(workflow_id, state), ())


def on_latest_names(known: Whereabouts, wanted: Selection) -> frozenset[str] | None:
    """Updates that devices of a selection may have installed; None if it does not tell."""
    if wanted.is_on_latest is None:
        return None
    return frozenset(
        "" if name == NOTHING_INSTALLED else name
        for cell in known
        if cell.startswith(_INSTALLED)
        for name in [cell.split(":", 2)[2]]
        if _may_be(name, wanted)
    )


def _may_be(name: str, wanted: Selection) -> bool:
    """Whether, in some class, devices with an update are on the latest one, or not, as wanted."""
    latest = wanted.latest or {}
    bests = [latest.get(wanted.columns["class"])] if "class" in wanted.columns else latest.values()
    installed = None if name == NOTHING_INSTALLED else UpdateId(*name.split("/"))
    return any(is_on_latest(installed, best) is wanted.is_on_latest for best in bests)


def _kept(place: tuple[str, str], cells: Mapping[Cell, int]) -> Iterable[Cell]:
    yield from (cell for cell, count in cells.items() if count > 0 and cell.startswith(_PREFIXES))
    if cells.get(TOTAL, 0) > 0:
        yield _CLASS + place[1]


def _cells(known: Whereabouts, wanted: Selection) -> Iterable[list[Cell]]:
    """For each part of a selection, the counters that count whatever meets it."""
    columns = wanted.columns
    tests: list[Callable[[Cell], bool]] = []
    if "class" in columns:
        tests.append(lambda cell: cell == _CLASS + columns["class"])
    if "failure" in columns:
        tests.append(lambda cell: cell == failing_cell(columns["failure"]))
    if "installed" in columns:
        name = columns["installed"] or NOTHING_INSTALLED
        both = {installed_cell(name, is_in_progress=busy) for busy in (True, False)}
        tests.append(lambda cell: cell in both)
    names = on_latest_names(known, wanted)
    if names is not None:
        tests.append(
            lambda cell: (
                cell.startswith(_INSTALLED)
                and cell.split(":", 2)[2] in {name or NOTHING_INSTALLED for name in names}
            )
        )
    if columns.get("health"):
        tests.append(lambda cell: cell == UNHEALTHY)
    tests += _state_tests(columns.get("state")) + _time_tests(wanted)
    if "connected" in columns:
        connection = CONNECTED if columns["connected"] == "yes" else DISCONNECTED
        tests.append(lambda cell: cell == connection)
    return [[cell for cell in known if test(cell)] for test in tests]


def _state_tests(state: str | None) -> list[Callable[[Cell], bool]]:
    if state == DeviceState.FAILED:
        return [lambda cell: cell.startswith(_FAILING)]
    if state == DeviceState.IN_PROGRESS:
        return [lambda cell: cell.startswith(_BUSY)]
    return []


def _time_tests(wanted: Selection) -> list[Callable[[Cell], bool]]:
    tests: list[Callable[[Cell], bool]] = []
    heard, working = wanted.heard_before, wanted.working_before
    if heard is not None:
        tests.append(
            lambda cell: (
                _is_by(cell, _HEARD, heard) or (wanted.may_be_connected and cell == CONNECTED)
            )
        )
    if working is not None:
        tests.append(lambda cell: _is_by(cell, _WORKING, working))
    return tests


def _is_by(cell: Cell, prefix: str, limit: str) -> bool:
    """Whether the day of a counter by day is not after an instant."""
    return cell.startswith(prefix) and "" < cell.removeprefix(prefix) <= limit[:10]
