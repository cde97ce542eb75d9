"""A device as the service knows it: a fold of its twin changes and of what it was asked to do.

`fold` is a function of the set of changes, not of their order: twin leaves are last-writer-wins
registers, and what a device reported about a workflow is kept beside them, because a later repeat
of "in progress" overwrites in the twin what an earlier "succeeded" said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from shared.contract.codes import AgentState
from shared.contract.diagnostics import OPERATION_ID, RESULT_CODE, parse_log_report
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import (
    AGENT,
    DEVICE_UPDATE,
    DIAGNOSTIC_INFORMATION,
    AgentReport,
    parse_agent_report,
    parse_installed_update_id,
)
from shared.domain.errors import InvalidInput
from shared.domain.fleet.deployment import Commanded
from shared.domain.fleet.device_class import DeviceClass, device_class_of
from shared.domain.fleet.registers import Registers, merge, section
from shared.domain.fleet.twin_section import changed_at, member
from shared.domain.updates.update_id import UpdateId

DEFAULT_GROUP = "$default"
GROUP_TAG = "ADUGroup"
LOGS = "logs"
"""What a twin change says of uploads of logs."""
BUCKETS = 256
"""Device buckets of an instance, the same for every fleet size, so that none ever moves."""

_RETRY_TIMESTAMP = "retryTimestamp"
_KEPT_WORKFLOWS = 4
_KEPT_INSTALLED = 3
_IDLE, _FAILED = int(AgentState.IDLE), int(AgentState.FAILED)
_CANCELED_CODES = (-1, 200)


class DeviceState(StrEnum):
    """State of a device within a deployment, as the API names it."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class TwinChange:
    """One change of a twin, cut down to what the service keeps.

    `version` counts the whole twin. `content` has `tags` (the group tag), `agent` (the reported
    agent section) and `logs` (the result of an upload of logs); with `is_whole` it is all there is.
    `at` is the hub's time, ISO 8601 in UTC: of a twin that was read, when its properties last
    changed. Of such a twin, `heard_at` is when the device last reported anything, and `refused` the
    workflow and retry timestamp of a command that it has refused without naming it.
    """

    device_id: str
    module_id: str | None
    version: int
    content: Mapping[str, Any]
    is_whole: bool
    at: str
    heard_at: str = ""
    refused: tuple[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """An update that a report of success named as installed, and the first report that did."""

    update_id: UpdateId
    version: int
    at: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a device has reported about one workflow.

    `version` and what follows is of the newest report. `installed` is what any report named as
    installed, which a later one does not take back.
    """

    workflow_id: str
    retry_timestamp: str | None
    version: int
    state: int
    result_code: int | None
    extended_result_codes: tuple[int, ...]
    result_details: str | None
    at: str = ""
    installed: tuple[Installed, ...] = ()

    def has_installed(self, update_id: UpdateId) -> bool:
        """Whether the device has said that it has the update."""
        return any(item.update_id == update_id for item in self.installed)

    def installed_at(self, update_id: UpdateId) -> str:
        """When the device first said so; empty if it never did."""
        return next((item.at for item in self.installed if item.update_id == update_id), "")


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What is stored of a device or module.

    `deleted_at` is when it was last deleted: it may have been created again since, and what comes
    late from before is not of this device. Without `registers` that is all that is known of it.
    `seen_by` is the last re-read of the hub's registry that found it. `heard_at` is when it last
    reported something, as far as the service heard, `connection_at` when it last connected or
    disconnected.
    """

    device_id: str
    module_id: str | None = None
    registers: Registers = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    commanded: Commanded | None = None
    is_connected: bool = False
    connection_sequence: str = ""
    connection_at: str = ""
    changed_at: str = ""
    deleted_at: str = ""
    seen_by: str = ""
    heard_at: str = ""

    @property
    def key(self) -> str:
        """Identity within the instance: the device id, with the module id where there is one."""
        return device_key(self.device_id, self.module_id)

    @property
    def twin_version(self) -> int:
        """The newest version of the twin that is known; 0 if there is no twin."""
        return max((version for version, _ in self.registers.values()), default=0)


@dataclass(frozen=True, slots=True)
class DeviceView:
    """What a record adds up to. A device has no class until its agent has reported one."""

    group_id: str
    device_class: DeviceClass | None
    installed: UpdateId | None
    report: AgentReport
    state: DeviceState | None


def device_key(device_id: str, module_id: str | None) -> str:
    """The identity of a device or module within its instance."""
    return f"{device_id}/{module_id}" if module_id else device_id


def bucket_of(device_id: str) -> int:
    """The bucket of a device and of its modules, 0..255."""
    return hashlib.sha256(device_id.encode()).digest()[0]


def kept_content(twin: Mapping[str, Any]) -> dict[str, Any]:
    """What the service keeps of a twin: the group tag, the agent's reported section and the result
    of an upload of logs. The acknowledgement of an upload may hold a secret and is not among it.
    """
    content: dict[str, Any] = {}
    tags = twin.get("tags")
    if isinstance(tags, Mapping) and GROUP_TAG in tags:
        content["tags"] = {GROUP_TAG: tags[GROUP_TAG]}
    properties = twin.get("properties")
    reported = properties.get("reported") if isinstance(properties, Mapping) else None
    component = reported.get("deviceUpdate") if isinstance(reported, Mapping) else None
    if isinstance(component, Mapping) and "agent" in component:
        content["agent"] = component["agent"]
        if _has_stale_retry(reported):
            content["agent"] = _without_retry(component["agent"])
    if (logs := _log_report(reported)) is not None:
        content[LOGS] = logs
    return content


def _has_stale_retry(reported: Any) -> bool:
    """Whether the reported retry timestamp is of an earlier workflow: an agent leaves it out where
    there is none, and a twin merges what is reported.
    """
    workflow = (DEVICE_UPDATE, AGENT, "workflow")
    retried_at = changed_at(reported, *workflow, _RETRY_TIMESTAMP)
    return "" < retried_at < changed_at(reported, *workflow, "id")


def _without_retry(agent: Mapping[str, Any]) -> dict[str, Any]:
    workflow = dict(member(agent, "workflow"))
    workflow.pop(_RETRY_TIMESTAMP, None)
    return {**agent, "workflow": workflow}


def _log_report(reported: object) -> dict[str, Any] | None:
    component = reported.get(DIAGNOSTIC_INFORMATION) if isinstance(reported, Mapping) else None
    report = parse_log_report(component.get("agent") if isinstance(component, Mapping) else None)
    if report is None:
        return None
    return {OPERATION_ID: report.operation_id, RESULT_CODE: report.result_code}


def fold(record: DeviceRecord, change: TwinChange) -> DeviceRecord:
    """The record with one more change; a repeated one, or one of a former life, changes nothing."""
    if change.at and change.at <= record.deleted_at:
        return record
    return _folded(record, change)


def _folded(record: DeviceRecord, change: TwinChange) -> DeviceRecord:
    return replace(
        record,
        registers=merge(record.registers, change.version, change.content, replace=change.is_whole),
        evidence=_with_evidence(record.evidence, change),
        changed_at=max(record.changed_at, change.at),
        heard_at=max(record.heard_at, _heard_at(change)),
    )


def _heard_at(change: TwinChange) -> str:
    """When the device itself spoke: a change of the tag alone is an operator's."""
    if change.is_whole:
        return change.heard_at
    return change.at if change.content.keys() & {"agent", LOGS} else ""


def fold_connection(
    record: DeviceRecord, *, is_connected: bool, sequence_number: str, at: str = ""
) -> DeviceRecord:
    """The record after a connection event.

    Args:
        record: The device.
        is_connected: What the event says.
        sequence_number: The hub's hexadecimal counter.
        at: When it happened; empty if that is not known.
    """
    sequence = sequence_number.rjust(64, "0")
    is_of_former_life = bool(at) and at <= record.deleted_at
    if is_of_former_life or sequence <= record.connection_sequence:
        return record
    return replace(
        record, is_connected=is_connected, connection_sequence=sequence, connection_at=at
    )


def fold_deletion(record: DeviceRecord, at: str, present: TwinChange | None) -> DeviceRecord:
    """What remains of a device after its deletion, and what is there of one created again since.

    Versions begin anew with a new device, so nothing of the old record may stay but what is known
    to be of later than the deletion.

    Args:
        record: The device.
        at: When it was deleted.
        present: The device of this name that the hub has now.
    """
    if record.deleted_at >= at:
        return record
    left = DeviceRecord(
        record.device_id,
        record.module_id,
        evidence=tuple(_since(item, at) for item in record.evidence if item.at > at),
        deleted_at=at,
    )
    if record.connection_at > at:
        left = replace(
            left,
            is_connected=record.is_connected,
            connection_sequence=record.connection_sequence,
            connection_at=record.connection_at,
        )
    return _folded(left, present) if present is not None else left


def _since(evidence: Evidence, at: str) -> Evidence:
    """Evidence without what was installed before."""
    return replace(evidence, installed=tuple(item for item in evidence.installed if item.at > at))


def view(record: DeviceRecord) -> DeviceView:
    """What the record adds up to."""
    content = section(record.registers)
    agent = content.get("agent")
    agent = agent if isinstance(agent, Mapping) else {}
    report = parse_agent_report(agent)
    tags = content.get("tags")
    group = tags.get(GROUP_TAG) if isinstance(tags, Mapping) else None
    return DeviceView(
        group_id=group if isinstance(group, str) and group else DEFAULT_GROUP,
        device_class=device_class_of(agent),
        installed=_installed(report),
        report=report,
        state=deployment_state(record),
    )


def deployment_state(record: DeviceRecord) -> DeviceState | None:
    """State of the device within the deployment it was last commanded for; None before any.

    Success is an idle report of the workflow that names the deployed update as installed, whatever
    is repeated after it. A cancelled device that finished in time counts as succeeded.
    """
    commanded = record.commanded
    if commanded is None:
        return None
    known = evidence_of(record)
    if known is not None and known.has_installed(commanded.update_id):
        return DeviceState.SUCCEEDED
    outcome = DeviceState.IN_PROGRESS if known is None else _outcome(known)
    if commanded.is_cancel and outcome is not DeviceState.FAILED:
        return DeviceState.CANCELED
    return outcome


def evidence_of(record: DeviceRecord) -> Evidence | None:
    """What the device reported about the workflow it was last commanded to run."""
    commanded = record.commanded
    if commanded is None:
        return None
    return next(
        (
            item
            for item in record.evidence
            if (item.workflow_id, item.retry_timestamp)
            == (commanded.workflow_on_device, commanded.retry_timestamp)
        ),
        None,
    )


def is_unexplained(record: DeviceRecord) -> bool:
    """Whether the device reports a failure of something else than what it should be doing: its
    whole twin may show that it has refused just that.
    """
    if deployment_state(record) is not DeviceState.IN_PROGRESS:
        return False
    return bool(record.registers.get("agent.state", (0, None))[1] == _FAILED)


def _outcome(evidence: Evidence) -> DeviceState:
    if evidence.state not in (_IDLE, _FAILED):
        return DeviceState.IN_PROGRESS
    if evidence.result_code in _CANCELED_CODES:
        return DeviceState.CANCELED
    if evidence.state == _FAILED or _is_given_up(evidence.result_code):
        return DeviceState.FAILED
    return DeviceState.IN_PROGRESS


def _is_given_up(result_code: int | None) -> bool:
    """Whether a workflow ended with less than success. The whole twin still names what an earlier
    one installed.
    """
    return result_code is not None and (result_code <= 0 or result_code in _CANCELED_CODES)


def _with_evidence(evidence: tuple[Evidence, ...], change: TwinChange) -> tuple[Evidence, ...]:
    agent = change.content.get("agent")
    if not isinstance(agent, Mapping):
        return evidence
    report = parse_agent_report(agent)
    workflow_id, retry_timestamp = change.refused or (report.workflow_id, report.retry_timestamp)
    if report.state is None or workflow_id is None:
        return evidence
    is_success = report.state == _IDLE and not _is_given_up(report.result_code)
    installed = _installed(report) if is_success else None
    fresh = Evidence(
        workflow_id=workflow_id,
        retry_timestamp=retry_timestamp,
        version=change.version,
        state=int(report.state),
        result_code=report.result_code,
        extended_result_codes=report.extended_result_codes,
        result_details=report.result_details,
        at=change.at,
        installed=(Installed(installed, change.version, change.at),) if installed else (),
    )
    same = [item for item in evidence if _names_same_workflow(item, fresh)]
    others = [item for item in evidence if not _names_same_workflow(item, fresh)]
    for known in same:
        fresh = _join(known, fresh)
    kept = sorted([*others, fresh], key=_newness, reverse=True)
    return tuple(kept[:_KEPT_WORKFLOWS])


def _newness(item: Evidence) -> tuple[int, str, str]:
    return (item.version, item.workflow_id, item.retry_timestamp or "")


def _join(one: Evidence, other: Evidence) -> Evidence:
    newer = max(one, other, key=_completeness)
    first: dict[UpdateId, Installed] = {}
    for item in (*one.installed, *other.installed):
        known = first.get(item.update_id)
        if known is None or (item.version, item.at) < (known.version, known.at):
            first[item.update_id] = item
    earliest = sorted(first.values(), key=lambda item: (item.version, item.update_id))
    return replace(newer, installed=tuple(earliest[:_KEPT_INSTALLED]))


def _completeness(item: Evidence) -> tuple[Any, ...]:
    """Orders reports; a change and the whole twin of the same version differ in what they say."""
    return (
        item.version,
        item.result_code is not None,
        item.result_code or 0,
        item.extended_result_codes,
        item.result_details or "",
        item.at,
    )


def _names_same_workflow(one: Evidence, other: Evidence) -> bool:
    return (one.workflow_id, one.retry_timestamp) == (other.workflow_id, other.retry_timestamp)


def installed_update(record: DeviceRecord) -> UpdateId | None:
    """The update that the device says is installed: a part of its view, for less."""
    _, named = record.registers.get("agent.installedUpdateId", (0, None))
    known = parse_installed_update_id(named)
    return _update_named(known) if known is not None else None


def _installed(report: AgentReport) -> UpdateId | None:
    named = report.installed_update_id
    return _update_named(named) if named is not None else None


@lru_cache(maxsize=1024)
def _update_named(named: ManifestUpdateId) -> UpdateId | None:
    try:
        return UpdateId(named.provider, named.name, named.version)
    except InvalidInput:
        return None  # a device may report anything; what no import could name is no update of ours
