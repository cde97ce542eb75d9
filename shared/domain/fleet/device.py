"""A device as the service knows it: a fold of its twin changes and of what it was asked to do.

`fold` is a function of the set of changes, not of their order: twin leaves are last-writer-wins
registers, and what a device reported about a workflow is kept beside them, because a later repeat
of "in progress" overwrites in the twin what an earlier "succeeded" said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.contract.codes import AgentState, Erc
from shared.contract.twin import (
    AgentReport,
    parse_agent_report,
    parse_installed_update_id,
)
from shared.domain.fleet.command import Answered, DeviceCommand, PastAsk
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device_class import DeviceClass, device_class_of
from shared.domain.fleet.evidence import (
    DeviceState,
    Evidence,
    TwinChange,
    completed,
    installed_of,
    joined,
    merged,
    report_of,
    since,
    update_named,
    with_evidence,
    with_nameless,
)
from shared.domain.fleet.names import DEFAULT_GROUP, is_group_id
from shared.domain.fleet.orders import Order
from shared.domain.fleet.registers import Registers, merge, section
from shared.domain.fleet.twin_content import ACKNOWLEDGED, GROUP_TAG, INFORMATION, LOGS
from shared.domain.rollouts.figures import Outcome
from shared.domain.updates.update_id import UpdateId

BUCKETS = 256
"""Device buckets of an instance, the same for every fleet size, so that none ever moves."""

__all__ = ["DeviceState", "Evidence", "TwinChange"]

_FAILED = int(AgentState.FAILED)
_RESULT_CODE = "agent.lastInstallResult.resultCode"
_STEPS = "agent.lastInstallResult.stepResults."
_STATES = {
    Outcome.ASKED: DeviceState.IN_PROGRESS,
    Outcome.STARTED: DeviceState.IN_PROGRESS,
    Outcome.SUCCEEDED: DeviceState.SUCCEEDED,
    Outcome.HAD: DeviceState.SUCCEEDED,
    Outcome.REVERTED: DeviceState.SUCCEEDED,
    Outcome.FAILED: DeviceState.FAILED,
    Outcome.CANCELED: DeviceState.CANCELED,
    Outcome.WITHDRAWN: DeviceState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What is stored of a device or module.

    `deleted_at` is when it was last deleted: it may have been created again since, and what comes
    late from before is not of this device. Without `registers` that is all that is known of it.
    `seen_by` is the last re-read of the hub's registry that found it. `heard_at` is when it last
    reported something, as far as the service heard, `started_at` when its agent last introduced
    itself, `connection_at` when it last connected or disconnected.

    `nameless` is what it reported without naming a workflow.
    `is_pending` says that `commanded` may not stand in the twin yet: rows are written before twins.
    `past` are the workflows that the device moved on from last, None where nobody wrote them down;
    `answered` is the last ask of which it gave a sign. `orders` are what operators ordered for this
    device alone, `own` the deployments that it alone was given. `held_class` is the class that it
    reports and is not counted in yet, because too many classes are new.
    """

    device_id: str
    module_id: str | None = None
    registers: Registers = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    commanded: DeviceCommand | None = None
    is_connected: bool = False
    connection_sequence: str = ""
    connection_at: str = ""
    changed_at: str = ""
    deleted_at: str = ""
    seen_by: str = ""
    heard_at: str = ""
    started_at: str = ""
    is_pending: bool = False
    past: tuple[PastAsk, ...] | None = None
    answered: Answered | None = None
    orders: tuple[Order, ...] = ()
    own: tuple[Deployment, ...] = ()
    nameless: tuple[Evidence, ...] = ()
    held_class: str = ""

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


def fold(record: DeviceRecord, change: TwinChange) -> DeviceRecord:
    """The record with one more change; a repeated one, or one of a former life, changes nothing."""
    if change.at and change.at <= record.deleted_at:
        return record
    return _folded(record, change)


def _folded(record: DeviceRecord, change: TwinChange) -> DeviceRecord:
    content = {name: part for name, part in change.content.items() if name != ACKNOWLEDGED}
    if not content and not change.is_whole:
        return _acknowledged(record, change.at) if change.content else record
    report = report_of(change)
    return replace(
        record,
        registers=merge(record.registers, change.version, content, replace=change.is_whole),
        evidence=with_evidence(record.evidence, change, report),
        nameless=with_nameless(record.nameless, change, report),
        changed_at=max(record.changed_at, change.at),
        heard_at=max(record.heard_at, _heard_at(change)),
        started_at=max(record.started_at, _started_at(change)),
    )


def _acknowledged(record: DeviceRecord, at: str) -> DeviceRecord:
    """The record after an acknowledgement alone: the device is alive."""
    return replace(record, heard_at=max(record.heard_at, at))


def _started_at(change: TwinChange) -> str:
    """When the agent introduced itself: it does so once, when its process has connected."""
    if change.is_whole:
        return change.started_at
    agent = change.content.get("agent")
    return change.at if isinstance(agent, Mapping) and "deviceProperties" in agent else ""


def _heard_at(change: TwinChange) -> str:
    """When the device itself spoke: a change of tags alone is an operator's."""
    if change.is_whole:
        return change.heard_at
    return change.at if change.content.keys() & {"agent", INFORMATION, LOGS} else ""


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
        evidence=tuple(since(item, at) for item in record.evidence if item.at > at),
        nameless=tuple(item for item in record.nameless if item.at > at),
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


def view(record: DeviceRecord) -> DeviceView:
    """What the record adds up to."""
    content = section(record.registers)
    agent = content.get("agent")
    agent = agent if isinstance(agent, Mapping) else {}
    report = parse_agent_report(agent)
    if report.step_results and _are_steps_stale(record):
        report = replace(report, step_results=())
    tags = content.get("tags")
    group = tags.get(GROUP_TAG) if isinstance(tags, Mapping) else None
    return DeviceView(
        group_id=group if isinstance(group, str) and is_group_id(group) else DEFAULT_GROUP,
        device_class=_class_of(record, agent),
        installed=installed_of(report),
        report=report,
        state=deployment_state(record),
    )


def _are_steps_stale(record: DeviceRecord) -> bool:
    """Whether the results of steps are of an earlier run: the report that clears them is often
    replaced before it is sent.
    """
    steps = [version for path, (version, _) in record.registers.items() if path.startswith(_STEPS)]
    return max(steps, default=0) < record.registers.get(_RESULT_CODE, (0, None))[0]


def _class_of(record: DeviceRecord, agent: Mapping[str, Any]) -> DeviceClass | None:
    found = device_class_of(agent)
    return None if found is not None and found.class_id == record.held_class else found


def deployment_state(record: DeviceRecord) -> DeviceState | None:
    """State of the device within the deployment it was last commanded for; None before any.

    Success is an idle report of the workflow that names the deployed update as installed, whatever
    is repeated after it. A cancelled device that finished in time counts as succeeded; one that
    still works is in progress until it says that it has ended, or is given up.
    """
    outcome = outcome_of(record)
    if outcome is None:
        return None
    return DeviceState.IN_PROGRESS if is_cancelling(record) else _STATES[outcome]


def outcome_of(record: DeviceRecord) -> Outcome | None:
    """What became of the command that the device was given last; None before any."""
    commanded, known = record.commanded, evidence_of(record)
    if commanded is None:
        return None
    if known is not None and known.has_installed(commanded.update_id):
        if _has_reverted(record, known, commanded.update_id):
            return Outcome.REVERTED
        return Outcome.HAD if commanded.had_it else Outcome.SUCCEEDED
    said = known.outcome if known is not None else None
    if said is DeviceState.FAILED:
        return Outcome.FAILED
    if commanded.withdrawn_at:
        # that it works outweighs that the command was taken back; its cancel was the service's wish
        return Outcome.STARTED if said is DeviceState.IN_PROGRESS else Outcome.WITHDRAWN
    if commanded.is_cancel or said is DeviceState.CANCELED:
        return Outcome.CANCELED
    return Outcome.ASKED if known is None else Outcome.STARTED


def is_working(record: DeviceRecord) -> bool:
    """Whether the device has said that it runs its command and not yet that it has ended."""
    commanded, known = record.commanded, evidence_of(record)
    if commanded is None or known is None or commanded.is_given_up:
        return False
    return known.outcome is DeviceState.IN_PROGRESS and not known.has_installed(commanded.update_id)


def is_cancelling(record: DeviceRecord) -> bool:
    """Whether the device was told to stop and has not said yet what became of it."""
    commanded = record.commanded
    return commanded is not None and commanded.is_cancel and is_working(record)


def _has_reverted(record: DeviceRecord, known: Evidence, update_id: UpdateId) -> bool:
    version, _ = record.registers.get("agent.installedUpdateId", (0, None))
    installed = installed_update(record)
    is_other = installed is not None and installed != update_id
    return is_other and version > known.installed_version(update_id)


def evidence_of(record: DeviceRecord) -> Evidence | None:
    """What the device reported about the workflow it was last commanded to run; of one that the
    hub refused, that it has failed.

    A cancel bears no retry timestamp. An agent that starts with it ends the workflow without one,
    also where what it was told to cancel was a retry.
    """
    commanded = record.commanded
    if commanded is None:
        return None
    of_workflow = {
        item.retry_timestamp: completed(item, record.evidence, record.nameless)
        for item in record.evidence
        if item.workflow_id == commanded.workflow_on_device
    }
    whole = merged(record.registers, record.nameless, record.heard_at)
    if whole is not None and whole.workflow_id == commanded.workflow_on_device:
        stamp = whole.retry_timestamp
        of_workflow[stamp] = joined(of_workflow.get(stamp), whole)
    known = of_workflow.get(commanded.retry_timestamp)
    if known is None and commanded.refusal:
        return _refused_by_hub(commanded)
    ended = of_workflow.get(None)
    if (
        commanded.is_cancel
        and (known is None or known.outcome is DeviceState.IN_PROGRESS)
        and ended is not None
        and ended.outcome is DeviceState.CANCELED
        and ended.at > commanded.canceled_at
        and not (known is not None and known.has_installed(commanded.update_id))
    ):
        return ended
    return known


def _refused_by_hub(commanded: DeviceCommand) -> Evidence:
    """Stands for the report of a device that will never see its command."""
    return Evidence(
        workflow_id=commanded.workflow_on_device,
        retry_timestamp=commanded.retry_timestamp,
        version=0,
        state=_FAILED,
        result_code=None,
        extended_result_codes=(Erc.HUB_REFUSED_COMMAND,),
        result_details=commanded.refusal,
        at=commanded.refused_at,
    )


def working_since(record: DeviceRecord) -> str:
    """The last that is known of what a device is doing: a report about it, or when it was asked."""
    known = evidence_of(record)
    if known is not None and known.at:
        return known.at
    return record.commanded.stamp if record.commanded else ""


def has_agent(record: DeviceRecord) -> bool:
    """Whether an update agent has reported anything that was not removed since."""
    return any(
        path.partition(".")[0] == "agent" and value is not None
        for path, (_, value) in record.registers.items()
    )


def introduces(before: DeviceRecord, after: DeviceRecord) -> bool:
    """Whether the agent of a device is heard of that was known without one."""
    return not has_agent(before) and has_agent(after)


def is_unexplained(record: DeviceRecord) -> bool:
    """Whether the device reports a failure of something else than what it should be doing: its
    whole twin may show that it has refused just that.
    """
    if deployment_state(record) is not DeviceState.IN_PROGRESS:
        return False
    return bool(record.registers.get("agent.state", (0, None))[1] == _FAILED)


def installed_update(record: DeviceRecord) -> UpdateId | None:
    """The update that the device says is installed: a part of its view, for less."""
    _, named = record.registers.get("agent.installedUpdateId", (0, None))
    known = parse_installed_update_id(named)
    return update_named(known) if known is not None else None
