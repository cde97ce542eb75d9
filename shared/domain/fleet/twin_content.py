"""What the service keeps of a twin, or of a change of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contract.codes import Action
from shared.contract.diagnostics import OPERATION_ID, RESULT_CODE, parse_log_report
from shared.contract.twin import (
    AGENT,
    DEVICE_INFORMATION,
    DEVICE_UPDATE,
    DIAGNOSTIC_INFORMATION,
    SERVICE,
)
from shared.domain.fleet.twin_section import changed_at, member
from shared.domain.rollouts.window_text import LONGEST_WINDOW

GROUP_TAG = "ADUGroup"
TIME_ZONE = "timeZone"
"""A tag, and what a device reports about itself: the IANA name of its time zone."""
DEVICE_WINDOW = "updateWindow"
"""A tag: when the device may be asked, such as `0 1 * * mon-fri for 4h in Europe/Berlin`."""
INFORMATION = "information"
"""What a twin change says of the device itself."""
MODEL = "model"
"""The model that the device announced when it connected: a whole twin has it."""
LOGS = "logs"
"""What a twin change says of uploads of logs."""
ACKNOWLEDGED = "acknowledged"
"""What a twin change says where a device has acknowledged that a command was taken back."""
_RETRY_TIMESTAMP, _RESULT, _STEPS = "retryTimestamp", "lastInstallResult", "stepResults"
_LONGEST_MODEL = 256
_LONGEST_ZONE = 64
"""Characters; the longest name of a zone has half of them."""


def kept_content(twin: Mapping[str, Any]) -> dict[str, Any]:
    """What the service keeps of a twin: the tags of the group, the time zone and the maintenance
    window, the agent's reported section, the time zone that the device reports, the result of an
    upload of logs and the device's model. The acknowledgement of an upload may hold a secret and is
    not among it.
    """
    content: dict[str, Any] = {}
    tags = twin.get("tags")
    if isinstance(tags, Mapping) and (kept := _kept_tags(tags)):
        content["tags"] = kept
    elif tags is None and "tags" in twin:
        content["tags"] = None
    reported, is_removed = _below(twin, "properties", "reported")
    information, is_information_removed = _below(reported, DEVICE_INFORMATION)
    if is_information_removed:
        content[INFORMATION] = None
    elif TIME_ZONE in information:
        content[INFORMATION] = {TIME_ZONE: _short(information[TIME_ZONE], _LONGEST_ZONE)}
    component, is_component_removed = _below(reported, DEVICE_UPDATE)
    if is_removed or is_component_removed:
        content["agent"] = None
    elif "agent" in component:
        content["agent"] = _without_stale(reported, component["agent"])
    if model := _short(twin.get("modelId"), _LONGEST_MODEL):
        content[MODEL] = model
    if _acknowledges_cancel(component):
        content[ACKNOWLEDGED] = True
    if (logs := _log_report(reported)) is not None:
        content[LOGS] = logs
    return content


def _kept_tags(tags: Mapping[str, Any]) -> dict[str, Any]:
    kept = {GROUP_TAG: tags[GROUP_TAG]} if GROUP_TAG in tags else {}
    for name, longest in ((TIME_ZONE, _LONGEST_ZONE), (DEVICE_WINDOW, LONGEST_WINDOW)):
        if name in tags:
            kept[name] = _short(tags[name], longest)
    return kept


def _short(value: object, longest: int) -> str | None:
    """A text as it may be kept: what cannot be one that is understood counts as none."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _acknowledges_cancel(component: Mapping[str, Any]) -> bool:
    """Acknowledgements of other commands say nothing that the reports beside them do not."""
    workflow = member(component, SERVICE, "value", "workflow")
    return workflow.get("action") == Action.CANCEL


def _below(node: Mapping[str, Any], *path: str) -> tuple[Mapping[str, Any], bool]:
    """The object at a path, empty if there is none, and whether it or one above it is removed."""
    for name in path:
        if name in node and node[name] is None:
            return {}, True
        node = member(node, name)
    return node, False


def _without_stale(reported: Mapping[str, Any], agent: Any) -> Any:
    """What the agent reported without what the twin kept of earlier reports.

    An agent leaves the retry timestamp out where there is none, and some their result where they
    have nothing to say: one that is older than the state came with another state. Results of steps
    that are older than the result are of an earlier run.
    """
    if not isinstance(agent, Mapping):
        return agent
    at = (DEVICE_UPDATE, AGENT)
    retried_at = changed_at(reported, *at, "workflow", _RETRY_TIMESTAMP)
    if "" < retried_at < changed_at(reported, *at, "workflow", "id"):
        workflow = dict(member(agent, "workflow"))
        workflow.pop(_RETRY_TIMESTAMP, None)
        agent = {**agent, "workflow": workflow}
    result_at = changed_at(reported, *at, _RESULT, "resultCode")
    if "" < result_at < changed_at(reported, *at, "state"):
        agent = {name: part for name, part in agent.items() if name != _RESULT}
    steps_at = changed_at(reported, *at, _RESULT, _STEPS)
    if _RESULT in agent and "" < steps_at < changed_at(reported, *at, _RESULT, "resultCode"):
        result = {name: part for name, part in member(agent, _RESULT).items() if name != _STEPS}
        agent = {**agent, _RESULT: result}
    return agent


def _log_report(reported: object) -> dict[str, Any] | None:
    component = reported.get(DIAGNOSTIC_INFORMATION) if isinstance(reported, Mapping) else None
    report = parse_log_report(component.get("agent") if isinstance(component, Mapping) else None)
    if report is None:
        return None
    return {OPERATION_ID: report.operation_id, RESULT_CODE: report.result_code}
