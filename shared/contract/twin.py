"""The twin contract: what the service desires of a device and what the agent reports.

Builders return plain JSON values. `deployment_command` and `cancel_command` make the value of
`service`; `desired_patch` wraps it for the twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .codes import Action, AgentState, format_erc, parse_extended_result_codes
from .manifest import ManifestUpdateId, installed_update_id_text
from .strictjson import loads_object

MODEL_ID = "dtmi:azure:iot:deviceUpdateModel;3"
CONTRACT_MODEL_ID = "dtmi:azure:iot:deviceUpdateContractModel;3"
DIAGNOSTIC_INTERFACE_ID = "dtmi:azure:iot:deviceUpdateDiagnosticModel;1"
DEVICE_UPDATE = "deviceUpdate"
DEVICE_INFORMATION = "deviceInformation"
DIAGNOSTIC_INFORMATION = "diagnosticInformation"
SERVICE = "service"
AGENT = "agent"
GROUP_TAG = "ADUGroup"
DEFAULT_COMPATIBILITY_NAMES = ("manufacturer", "model")
_INFORMATION_CHARACTERS = 64


@dataclass(frozen=True)
class StepReport:
    """The result of one top-level step."""

    result_code: int
    extended_result_codes: tuple[int, ...] = (0,)
    result_details: str | None = None


@dataclass(frozen=True)
class AgentReport:
    """What a device reports under `agent`; parts it did not report are None or empty.

    `installed_update_id` may stem from an earlier deployment: the twin merges. A deployment
    succeeded only where it equals the deployed id, `state` is idle and the workflow is its own.
    """

    state: int | None = None
    workflow_id: str | None = None
    action: int | None = None
    retry_timestamp: str | None = None
    installed_update_id: ManifestUpdateId | None = None
    result_code: int | None = None
    extended_result_codes: tuple[int, ...] = ()
    result_details: str | None = None
    step_results: tuple[StepReport, ...] = ()


def component(name: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap members as a Plug and Play component of a twin patch."""
    return {name: {"__t": "c", **members}}


def deployment_command(
    workflow_id: str,
    retry_timestamp: str | None,
    manifest: str,
    signature: str,
    file_urls: Mapping[str, str],
    root_key_package_url: str,
) -> dict[str, Any]:
    """The `service` value that asks for a deployment; a null removes an old retry timestamp."""
    return {
        "workflow": {
            "action": int(Action.PROCESS_DEPLOYMENT),
            "id": workflow_id,
            "retryTimestamp": retry_timestamp,
        },
        "rootKeyPackageUrl": root_key_package_url,
        "updateManifest": manifest,
        "updateManifestSignature": signature,
        "fileUrls": dict(file_urls),
    }


def cancel_command(workflow_id: str, root_key_package_url: str) -> dict[str, Any]:
    """The `service` value that cancels; nulls remove what a deployment had put there."""
    return {
        "workflow": {"action": int(Action.CANCEL), "id": workflow_id, "retryTimestamp": None},
        "rootKeyPackageUrl": root_key_package_url,
        "updateManifest": None,
        "updateManifestSignature": None,
        "fileUrls": None,
    }


def desired_patch(
    service: Mapping[str, Any], *, present_file_ids: Iterable[str] = ()
) -> dict[str, Any]:
    """Wrap a `service` value as a patch of the desired properties.

    Args:
        service: A command.
        present_file_ids: File ids now in the twin. A patch merges, so those that the command
            lacks are set to null.
    """
    members = dict(service)
    urls = members.get("fileUrls")
    if isinstance(urls, Mapping):
        members["fileUrls"] = {
            **{file_id: None for file_id in present_file_ids if file_id not in urls},
            **urls,
        }
    return component(DEVICE_UPDATE, {SERVICE: members})


def startup_report(
    manufacturer: str,
    model: str,
    *,
    additional: Mapping[str, str] | None = None,
    compatibility_names: Iterable[str] = DEFAULT_COMPATIBILITY_NAMES,
    agent_version: str | None = None,
) -> dict[str, Any]:
    """The report with which an agent introduces its device; it decides the device class."""
    properties: dict[str, str | None] = {"manufacturer": manufacturer, "model": model}
    properties.update(additional or {})
    properties.update({"interfaceId": None, "contractModelId": CONTRACT_MODEL_ID})
    if agent_version is not None:
        properties["aduVer"] = agent_version
    agent = {
        "deviceProperties": properties,
        "compatPropertyNames": ",".join(compatibility_names),
    }
    return component(DEVICE_UPDATE, {AGENT: agent})


def result_report(
    state: AgentState,
    result_code: int,
    *,
    extended_result_codes: Iterable[int] = (0,),
    result_details: str | None = None,
    workflow: Mapping[str, Any] | None = None,
    installed_update_id: ManifestUpdateId | None = None,
    step_results: Iterable[StepReport] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The report of a state and result.

    Args:
        state: One of the three states.
        result_code: Above zero is success.
        extended_result_codes: The root's code first.
        result_details: Free text for people.
        workflow: The member `workflow` (`workflow_member`); left out when none is held.
        installed_update_id: Only on success.
        step_results: In order of the steps; a report of progress clears those of the past.
        extra: Further members of `agent`.
    """
    result: dict[str, Any] = {
        "resultCode": int(result_code),
        "extendedResultCodes": _codes_text(extended_result_codes),
        "resultDetails": result_details,
    }
    steps = {f"step_{index}": _step_member(step) for index, step in enumerate(step_results)}
    if state == AgentState.DEPLOYMENT_IN_PROGRESS:
        result["stepResults"] = None
    elif steps:
        result["stepResults"] = steps
    agent: dict[str, Any] = {"lastInstallResult": result, "state": int(state)}
    if workflow is not None:
        agent["workflow"] = dict(workflow)
    if installed_update_id is not None:
        agent["installedUpdateId"] = installed_update_id_text(installed_update_id)
    agent.update(extra or {})
    return component(DEVICE_UPDATE, {AGENT: agent})


def workflow_member(action: int, workflow_id: str, retry_timestamp: str | None) -> dict[str, Any]:
    """The member `workflow` of a report."""
    member: dict[str, Any] = {"action": int(action), "id": workflow_id}
    if retry_timestamp is not None:
        member["retryTimestamp"] = retry_timestamp
    return member


def acknowledgement(service: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The acknowledgement of a `service` value of the desired section `$version`.

    The status is 200 even where the manifest is refused; addresses and signature are left out.
    """
    value = {**service, "updateManifestSignature": None, "fileUrls": None}
    return component(DEVICE_UPDATE, {SERVICE: {"value": value, "ac": 200, "ad": "", "av": version}})


def device_information(information: Mapping[str, str | int]) -> dict[str, Any]:
    """The report of plain facts about a device; texts are cut at 64 characters."""
    members = {
        name: value[:_INFORMATION_CHARACTERS] if isinstance(value, str) else value
        for name, value in information.items()
    }
    return component(DEVICE_INFORMATION, members)


def parse_agent_report(section: Any) -> AgentReport:
    """Read a reported `agent` section; a part that is missing or malformed is left out."""
    agent = _object(section)
    workflow = _object(agent.get("workflow"))
    result = _object(agent.get("lastInstallResult"))
    return AgentReport(
        state=_number(agent.get("state")),
        workflow_id=_text(workflow.get("id")),
        action=_number(workflow.get("action")),
        retry_timestamp=_text(workflow.get("retryTimestamp")),
        installed_update_id=parse_installed_update_id(agent.get("installedUpdateId")),
        result_code=_number(result.get("resultCode")),
        extended_result_codes=extended_result_codes(result),
        result_details=_text(result.get("resultDetails")),
        step_results=_step_reports(_object(result.get("stepResults"))),
    )


def parse_installed_update_id(text: Any) -> ManifestUpdateId | None:
    """Read an `installedUpdateId`; None where it is absent or malformed."""
    return _installed_update_id(text) if isinstance(text, str) else None


@lru_cache(maxsize=1024)
def _installed_update_id(text: str) -> ManifestUpdateId | None:
    """The id; a service reads the same few texts again and again."""
    try:
        members = loads_object(text)
    except ValueError:
        return None
    parts = [_text(members.get(name)) for name in ("provider", "name", "version")]
    provider, name, version = parts
    if provider is None or name is None or version is None:
        return None
    return ManifestUpdateId(provider, name, version)


def extended_result_codes(result: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the ERCs of a result; none where they are absent or malformed."""
    text = result.get("extendedResultCodes")
    if isinstance(text, str):
        try:
            return tuple(parse_extended_result_codes(text))
        except ValueError:
            return ()
    # Agents before 1.1 reported one number under the singular name.
    number = _number(result.get("extendedResultCode"))
    return () if number is None else (number & 0xFFFFFFFF,)


def _codes_text(codes: Iterable[int]) -> str:
    return ",".join(format_erc(code) for code in codes) or format_erc(0)


def _step_member(step: StepReport) -> dict[str, Any]:
    return {
        "resultCode": int(step.result_code),
        "extendedResultCodes": _codes_text(step.extended_result_codes),
        "resultDetails": step.result_details,
    }


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _step_reports(steps: Mapping[str, Any]) -> tuple[StepReport, ...]:
    reports = []
    for index in range(len(steps)):
        step = _object(steps.get(f"step_{index}"))
        code = _number(step.get("resultCode"))
        if code is None:
            break
        reports.append(
            StepReport(code, extended_result_codes(step), _text(step.get("resultDetails")))
        )
    return tuple(reports)
