"""Which command a device has refused, where it does not say so itself.

An agent that cannot verify a manifest reports the failure without a workflow, or with the one that
it still holds, and then acknowledges the command all the same. So a whole twin tells: the command
that is desired was acknowledged, and the failure was reported after the command was given. That
alone might still be a late report about the command before; the acknowledgement, which an agent
sends after the result, and a code that only the check of a manifest ends with, exclude it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contract.codes import AgentState, Erc
from shared.contract.twin import AGENT, DEVICE_UPDATE, SERVICE, parse_agent_report
from shared.domain.fleet.twin_section import changed_at, member

_CODES = (
    Erc.MANIFEST_HASH_WRONG,
    Erc.UPDATE_ID_INVALID,
    Erc.MANIFEST_MISSING,
    Erc.MANIFEST_MALFORMED,
    Erc.MANIFEST_VERSION_UNSUPPORTED,
    Erc.DETACHED_FILE_MISSING,
    Erc.DETACHED_BAD,
    Erc.DETACHED_DOWNLOAD_FAILED,
    Erc.DETACHED_NOT_JSON,
    Erc.DETACHED_NO_MANIFEST,
    Erc.SIGNING_KEY_DISABLED,
)
_SIGNATURE_CHECK = Erc.JWS_FAILED >> 20


def refused_command(
    desired: Mapping[str, Any], reported: Mapping[str, Any]
) -> tuple[str, str | None] | None:
    """The workflow and retry timestamp of the command that the device has refused without naming
    it; None if it has not, or names what it reports about.

    Args:
        desired: The desired section of a whole twin, with `$metadata`.
        reported: The reported section of the same twin.
    """
    command = _workflow(member(desired, DEVICE_UPDATE, SERVICE))
    if command is None or command != _workflow(member(reported, DEVICE_UPDATE, SERVICE, "value")):
        return None
    report = parse_agent_report(member(reported, DEVICE_UPDATE, AGENT))
    if report.state != AgentState.FAILED or report.workflow_id == command[0]:
        return None
    if not report.extended_result_codes or not _is_refusal(report.extended_result_codes[0]):
        return None
    given = changed_at(desired, DEVICE_UPDATE, SERVICE, "workflow")
    failed = changed_at(reported, DEVICE_UPDATE, AGENT, "state")
    return command if given and given < failed else None


def _is_refusal(code: int) -> bool:
    return code in _CODES or code >> 20 == _SIGNATURE_CHECK


def _workflow(service: Mapping[str, Any]) -> tuple[str, str | None] | None:
    workflow = member(service, "workflow")
    identity, retry = workflow.get("id"), workflow.get("retryTimestamp")
    if not isinstance(identity, str):
        return None
    return identity, retry if isinstance(retry, str) else None
