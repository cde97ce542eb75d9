"""The diagnostics contract: the service asks a device for its logs, the agent uploads them.

Desired `service` names the operation and a container to write to; the agent answers with an
acknowledgement at once and with a result at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .twin import AGENT, DIAGNOSTIC_INFORMATION, SERVICE, component

OPERATION_ID = "operationId"
SAS_URL = "storageSasUrl"
RESULT_CODE = "resultCode"


class LogResult(IntEnum):
    """How an upload of logs ended."""

    SUCCESS = 200
    FAILURE = 0
    NO_LOGS_FOUND = -1
    UPLOAD_FAILED = -2
    CONTAINER_CREATION_FAILED = -3
    BAD_CREDENTIAL = -4
    NO_COMPONENTS = -5
    NO_OPERATION_ID = -6
    NO_SAS_URL = -7


@dataclass(frozen=True)
class LogReport:
    """What a device reports of an upload."""

    operation_id: str
    result_code: int


def log_request(operation_id: str, sas_url: str) -> dict[str, Any]:
    """The patch of the desired properties that asks for logs."""
    service = {OPERATION_ID: operation_id, SAS_URL: sas_url}
    return component(DIAGNOSTIC_INFORMATION, {SERVICE: service})


def log_acknowledgement(service: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The acknowledgement of a request of the desired section `$version`, without its secret."""
    value = {**service, SAS_URL: None}
    return component(
        DIAGNOSTIC_INFORMATION, {SERVICE: {"value": value, "ac": 200, "ad": "", "av": version}}
    )


def log_result(operation_id: str, code: LogResult) -> dict[str, Any]:
    """The report of an upload that has ended."""
    agent = {RESULT_CODE: int(code), OPERATION_ID: operation_id}
    return component(DIAGNOSTIC_INFORMATION, {AGENT: agent})


def parse_log_report(agent: Any) -> LogReport | None:
    """Read a reported `agent` member; None where it says nothing of an upload."""
    if not isinstance(agent, Mapping):
        return None
    operation_id, code = agent.get(OPERATION_ID), agent.get(RESULT_CODE)
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if not isinstance(operation_id, str) or not isinstance(code, int) or isinstance(code, bool):
        return None
    return LogReport(operation_id, code)


def log_folder(device_id: str, module_id: str | None, operation_id: str) -> str:
    """Where an upload lies in its container; each component has a folder in it."""
    return "/".join(part for part in (device_id, module_id, operation_id) if part)
