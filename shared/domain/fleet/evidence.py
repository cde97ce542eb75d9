"""What a device has reported about its workflows, kept beside its twin.

The twin alone forgets: a later report overwrites what an earlier one said, and agents repeat "in
progress" when they renew their token, also for a workflow that has failed long since. So of each
workflow the report that ended it is kept, and the first that named an update as installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from shared.contract.codes import AgentState
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import AgentReport, parse_agent_report
from shared.domain.errors import InvalidInput
from shared.domain.fleet.registers import Registers, section
from shared.domain.updates.update_id import UpdateId

_KEPT_WORKFLOWS = 4
_KEPT_INSTALLED = 3
_KEPT_NAMELESS = 4
_REMOVED = -1
"""State of the agent None: what it reported was removed."""
_UNSAID = -2
"""State of a report that says none: a part of one that came in several."""
_PARTS = ("workflow", "lastInstallResult", "installedUpdateId")
_RESULT_CODE, _INSTALLED = "agent.lastInstallResult.resultCode", "agent.installedUpdateId"
_WORKFLOW, _RETRY = "agent.workflow.id", "agent.workflow.retryTimestamp"
_STATE = "agent.state"
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
    changed. Of such a twin, `heard_at` is when the device last reported anything, `started_at` when
    its agent last introduced itself, and `refused` the workflow and retry timestamp of a command
    that it has refused without naming it.
    """

    device_id: str
    module_id: str | None
    version: int
    content: Mapping[str, Any]
    is_whole: bool
    at: str
    heard_at: str = ""
    refused: tuple[str, str | None] | None = None
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """An update that a report of success named as installed, and the first report that did."""

    update_id: UpdateId
    version: int
    at: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a device has reported about one workflow.

    `version` and what follows is of the report that decides: the newest of those that ended the
    workflow, else the newest. `installed` is what any report named as installed, which a later one
    does not take back. A report that names no workflow is of the one that the twin still names:
    see `completed`.
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
    named_from: int = 0
    """Version of the twin in which the workflow was first named; 0: that of the report."""

    @property
    def begins(self) -> int:
        """The first version of the twin that is known to name the workflow."""
        return self.named_from or self.version

    @property
    def outcome(self) -> DeviceState:
        """What the deciding report says, success apart: see `has_installed`."""
        if self.state not in (_IDLE, _FAILED):
            return DeviceState.IN_PROGRESS
        if self.result_code in _CANCELED_CODES:
            return DeviceState.CANCELED
        if self.state == _FAILED or _is_given_up(self.result_code):
            return DeviceState.FAILED
        return DeviceState.IN_PROGRESS

    def has_installed(self, update_id: UpdateId) -> bool:
        """Whether the device has said that it has the update."""
        return any(item.update_id == update_id for item in self.installed)

    def installed_at(self, update_id: UpdateId) -> str:
        """When the device first said so; empty if it never did."""
        return next((item.at for item in self.installed if item.update_id == update_id), "")

    def installed_version(self, update_id: UpdateId) -> int:
        """Version of the twin in which the device first said so; 0 if it never did."""
        return next((item.version for item in self.installed if item.update_id == update_id), 0)


def report_of(change: TwinChange) -> AgentReport | None:
    """What the agent reports in a change; None if the change is not about it."""
    agent = change.content.get("agent")
    return parse_agent_report(agent) if isinstance(agent, Mapping) else None


def with_evidence(
    evidence: tuple[Evidence, ...], change: TwinChange, report: AgentReport | None
) -> tuple[Evidence, ...]:
    """The evidence with what one more change reports; the same for any order of the changes."""
    if report is None:
        return evidence
    workflow_id, retry_timestamp = change.refused or (report.workflow_id, report.retry_timestamp)
    if report.state is None or workflow_id is None:
        return evidence
    version, at = change.version, change.at
    fresh = _evidence(report, workflow_id, retry_timestamp, version=version, at=at)
    same = [item for item in evidence if _names_same_workflow(item, fresh)]
    others = [item for item in evidence if not _names_same_workflow(item, fresh)]
    for known in same:
        fresh = _join(known, fresh)
    kept = sorted([*others, fresh], key=_newness, reverse=True)
    return tuple(kept[:_KEPT_WORKFLOWS])


def with_nameless(
    nameless: tuple[Evidence, ...], change: TwinChange, report: AgentReport | None
) -> tuple[Evidence, ...]:
    """The newest reports that name no workflow or no state, and the removals of what named one.

    Agents of microcontrollers end with their state and what they have installed alone.
    """
    if change.is_whole or "agent" not in change.content:
        return nameless
    agent = change.content["agent"]
    if report is None:
        fresh = Evidence("", None, change.version, _REMOVED, None, (), None, change.at)
    else:
        if "workflow" in agent and report.workflow_id is None:
            report = AgentReport(state=_REMOVED)
        named = report.workflow_id or ""
        if report.state is None and any(name in agent for name in _PARTS):
            report = AgentReport(state=_UNSAID, retry_timestamp=report.retry_timestamp)
        elif report.state is None or named:
            return nameless
        retried = report.retry_timestamp if named else None
        fresh = _evidence(report, named, retried, version=change.version, at=change.at)
    by_version = {item.version: item for item in nameless}
    known = by_version.get(fresh.version)
    by_version[fresh.version] = fresh if known is None else max(known, fresh, key=_weight)
    kept = sorted(by_version.values(), key=lambda item: item.version, reverse=True)
    return tuple(kept[:_KEPT_NAMELESS])


def completed(item: Evidence, others: Iterable[Evidence], nameless: Iterable[Evidence]) -> Evidence:
    """Evidence on a workflow with what was reported without a name while the twin named it.

    Args:
        item: What names the workflow.
        others: All that names one.
        nameless: Reports that name none, and removals.
    """
    nameless = sorted(nameless, key=lambda report: report.version)
    ends = [other.begins for other in others if other.begins > item.begins]
    ends += [
        one.version
        for one in nameless
        if one.state == _REMOVED or (one.workflow_id and not _names_same_workflow(one, item))
    ]
    end = min((version for version in ends if version > item.begins), default=None)
    for report in nameless:
        if report.state == _UNSAID:
            continue  # `merged` has it
        if item.begins < report.version and (end is None or report.version < end):
            named = replace(
                report, workflow_id=item.workflow_id, retry_timestamp=item.retry_timestamp
            )
            item = _join(item, named)
    return item


def merged(registers: Registers, nameless: Iterable[Evidence], heard_at: str) -> Evidence | None:
    """What the twin as a whole says, where the agent reported state, result, installed update and
    workflow in several changes; None where one report said it all.

    Args:
        registers: The twin.
        nameless: When each part came; see `with_nameless`.
        heard_at: When the device was last heard, where that is not known.
    """
    state, workflow = _version(registers, _STATE), _version(registers, _WORKFLOW)
    result, installed = _version(registers, _RESULT_CODE), _version(registers, _INSTALLED)
    newest = max(state, workflow, result, installed)
    nameless = tuple(nameless)
    if state == workflow == newest and not any(item.state == _UNSAID for item in nameless):
        return None
    agent = dict(section(registers).get("agent", {}))
    if result < state:
        agent.pop("lastInstallResult", None)  # it came with another state
    report = parse_agent_report(agent)
    if report.state is None or report.workflow_id is None:
        return None
    is_of_workflow = _version(registers, _RETRY) >= workflow
    at = next((item.at for item in nameless if item.version == newest), heard_at)
    retried = report.retry_timestamp if is_of_workflow else None
    found = _evidence(report, report.workflow_id, retried, version=newest, at=at)
    return replace(found, named_from=workflow)


def joined(one: Evidence | None, other: Evidence) -> Evidence:
    """Evidence on a workflow with more on the same."""
    return other if one is None else _join(one, other)


def _version(registers: Registers, path: str) -> int:
    version, value = registers.get(path, (0, None))
    return version if value is not None else 0


def _evidence(
    report: AgentReport, workflow_id: str, retry_timestamp: str | None, *, version: int, at: str
) -> Evidence:
    is_success = report.state == _IDLE and not _is_given_up(report.result_code)
    installed = installed_of(report) if is_success else None
    assert report.state is not None
    return Evidence(
        workflow_id=workflow_id,
        retry_timestamp=retry_timestamp,
        version=version,
        state=int(report.state),
        result_code=report.result_code,
        extended_result_codes=report.extended_result_codes,
        result_details=report.result_details,
        at=at,
        installed=(Installed(installed, version, at),) if installed else (),
        named_from=version,
    )


def since(evidence: Evidence, at: str) -> Evidence:
    """Evidence without what was installed before, and by which name it was called then."""
    installed = tuple(item for item in evidence.installed if item.at > at)
    return replace(evidence, installed=installed, named_from=evidence.version)


def installed_of(report: AgentReport) -> UpdateId | None:
    """The update that a report names as installed."""
    named = report.installed_update_id
    return update_named(named) if named is not None else None


@lru_cache(maxsize=1024)
def update_named(named: ManifestUpdateId) -> UpdateId | None:
    """The update of that name; None if no update of ours could have it: a device may report
    anything.
    """
    try:
        return UpdateId(named.provider, named.name, named.version)
    except InvalidInput:
        return None


def _is_given_up(result_code: int | None) -> bool:
    """Whether a workflow ended with less than success. The whole twin still names what an earlier
    one installed.
    """
    return result_code is not None and (result_code <= 0 or result_code in _CANCELED_CODES)


def _newness(item: Evidence) -> tuple[int, str, str]:
    return (item.version, item.workflow_id, item.retry_timestamp or "")


def _join(one: Evidence, other: Evidence) -> Evidence:
    decides = max(one, other, key=_weight)
    first: dict[UpdateId, Installed] = {}
    for item in (*one.installed, *other.installed):
        known = first.get(item.update_id)
        if known is None or (item.version, item.at) < (known.version, known.at):
            first[item.update_id] = item
    earliest = sorted(first.values(), key=lambda item: (item.version, item.update_id))
    return replace(
        decides,
        installed=tuple(earliest[:_KEPT_INSTALLED]),
        named_from=min(one.begins, other.begins),
    )


def _weight(item: Evidence) -> tuple[Any, ...]:
    """Orders reports; a change and the whole twin of the same version differ in what they say.

    A report that the workflow has ended outweighs any that it goes on, for agents repeat those;
    that the agent is idle, without a result, is no end by itself. An end as cancelled gives way to
    a failure: a failed device that is told to cancel, so that it does not run the update again,
    reports that cancel when it starts.
    """
    ends = item.state == _FAILED or (item.state == _IDLE and item.result_code is not None)
    return (
        0 if not ends else 1 if item.result_code in _CANCELED_CODES else 2,
        item.version,
        item.result_code is not None,
        item.result_code or 0,
        item.extended_result_codes,
        item.result_details or "",
        item.at,
    )


def _names_same_workflow(one: Evidence, other: Evidence) -> bool:
    return (one.workflow_id, one.retry_timestamp) == (other.workflow_id, other.retry_timestamp)
