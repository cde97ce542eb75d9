"""Compares what is stored and what REST says with what is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local.rest import Rest
from local.tools.replay.stored import Contents
from local.tools.replay.story import GROUPS
from local.tools.replay.truth import Truth
from odu_cli.rest import deployment_path, path
from shared.domain.fleet.compliance import Compliance, best_update, compliance, state_counts
from shared.domain.fleet.counters import TOTAL, Counts, History, contribution
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.updates.update_id import UpdateId


def differences(truth: Truth, stored: Contents) -> Iterator[str]:
    """Where device rows, histories and counters are not what they should be."""
    devices = {key: record for key, record in stored.devices.items() if record.registers}
    yield from _differing("device", _meanings(truth.devices), _meanings(devices))
    yield from _differing("history", _pasts(truth.histories), _pasts(stored.histories))
    yield from _differing("counters", _cells(truth.counts), _cells(stored.counts))


async def differing_reads(truth: Truth, rest: Rest, updates: Iterable[UpdateId]) -> Iterator[str]:
    """Where the figures that REST gives are not what they should be."""
    counts, best = truth.counts, best_update(updates)
    right: dict[str, tuple[int, ...]] = {}
    given: dict[str, tuple[int, ...]] = {}
    for group in (None, *GROUPS):
        place = "management/updateCompliance"
        if group is not None:
            place = path("management", "groups", group, "updateCompliance")
        sums = sum(
            (compliance(cells, best) for at, cells in counts.items() if group in (None, at[0])),
            Compliance(),
        )
        right[place] = (sums.total, sums.on_latest, sums.new_available, sums.in_progress)
        answer = await rest.get(place)
        given[place] = (
            answer["totalDeviceCount"],
            answer["onLatestUpdateDeviceCount"],
            answer["newUpdatesAvailableDeviceCount"],
            answer["updatesInProgressDeviceCount"],
        )
    for deployment in truth.deployments:
        group = deployment.group_id
        place = deployment_path(group, deployment.deployment_id) + "/status"
        for part in (await rest.get(place))["subgroupStatus"]:
            each = f"{place} {part['deviceClassId']}"
            cells = counts[group, part["deviceClassId"]]
            states = state_counts(cells, deployment.workflow_id)
            most = max(cells.get(TOTAL, 0), states.commanded)
            right[each] = (
                most,
                states.in_progress,
                states.succeeded,
                states.failed,
                states.canceled,
            )
            given[each] = (
                part["totalDevices"],
                part["devicesInProgressCount"],
                part["devicesCompletedSucceededCount"],
                part["devicesCompletedFailedCount"],
                part["devicesCanceledCount"],
            )
    return _differing("REST", right, given)


def _meanings(records: Mapping[str, DeviceRecord]) -> dict[str, Any]:
    return {key: _meaning(record) for key, record in records.items()}


def _meaning(record: DeviceRecord) -> Any:
    """What a row says, apart from when and by which event the service learnt it."""
    seen, asked = view(record), record.commanded
    return {
        "group": seen.group_id,
        "installed": seen.installed,
        "report": seen.report,
        "state": seen.state,
        "asked": asked and (asked.workflow_id, asked.group_id, asked.class_id, asked.update_id),
        "connected": record.is_connected,
        "sequence": record.connection_sequence,
        "deleted": record.deleted_at,
        "evidence": {
            (
                item.workflow_id,
                item.state,
                item.result_code,
                item.extended_result_codes,
                frozenset(each.update_id for each in item.installed),
            )
            for item in record.evidence
        },
        "counted": {place: dict(cells) for place, cells in contribution(record).items()},
    }


def _pasts(histories: Mapping[str, Mapping[str, History]]) -> dict[tuple[str, str], Any]:
    return {
        (key, workflow_id): (past.state, past.result_code, past.extended_result_codes)
        for key, some in histories.items()
        for workflow_id, past in some.items()
    }


def _cells(counts: Counts) -> dict[tuple[str, str, str], int]:
    return {
        (*place, cell): count
        for place, cells in counts.items()
        for cell, count in cells.items()
        if count
    }


def _differing(what: str, right: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted(right.keys() | found.keys(), key=str):
        if right.get(key) != found.get(key):
            yield f"{what} {key}: {found.get(key)}, but {right.get(key)} is right"
