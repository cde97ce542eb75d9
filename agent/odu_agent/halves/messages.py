"""What the halves say to each other, to JSON and back. Nothing read here is believed."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..contract.codes import Erc
from ..contract.manifest import ManifestFile
from ..contract.twin import StepReport
from ..handlers import Restart
from ..result import DeploymentResult
from ..workflow import Command, CommandError, Ended, command_to_json, parse_command
from .frames import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER, CANCEL, FETCH, FETCHED, PHASE, RESULT = (
    "order",
    "cancel",
    "fetch",
    "fetched",
    "phase",
    "result",
)


@dataclass(frozen=True)
class Outcome:
    """A result, and what became of the root key package; `is_refused` where verification failed."""

    result: DeploymentResult
    package_code: int
    is_refused: bool = False


@dataclass(frozen=True)
class Order:
    """A deployment as the twin asked for it.

    With `is_cancelled` the twin no longer does: nothing more is begun, and the answer tells what
    has become of it.
    """

    command: Command
    root_key_package: bytes
    is_cancelled: bool = False


def order_to_json(order: Order) -> dict[str, Any]:
    """Give an order."""
    return {
        "service": command_to_json(order.command),
        "rootKeyPackage": base64.b64encode(order.root_key_package).decode(),
        "isCancelled": order.is_cancelled,
    }


def order_from_json(members: Mapping[str, Any]) -> Order:
    """Read an order.

    Raises:
        FrameError: It is none.
    """
    try:
        package = base64.b64decode(_text(members, "rootKeyPackage"), validate=True)
        command = parse_command(members.get("service"))
    except (CommandError, binascii.Error) as error:
        raise FrameError(f"an order that cannot be read: {error}") from None
    return Order(command, package, members.get("isCancelled") is True)


def file_to_json(number: int, url: str, file: ManifestFile) -> dict[str, Any]:
    """Ask for a file."""
    return {
        "number": number,
        "url": url,
        "size": file.size_in_bytes,
        "hashes": dict(file.hashes),
        "name": file.file_name,
    }


def file_from_json(members: Mapping[str, Any]) -> tuple[int, str, ManifestFile]:
    """Read what is asked for."""
    hashes = members.get("hashes")
    file = ManifestFile(
        file_name=_text(members, "name"),
        size_in_bytes=_number(members, "size"),
        hashes=hashes if isinstance(hashes, dict) else {},
    )
    return _number(members, "number"), _text(members, "url"), file


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """A result."""
    result = outcome.result
    return {
        "ended": result.ended.value,
        "resultCode": int(result.result_code),
        "extendedResultCodes": [int(code) for code in result.extended_result_codes],
        "details": result.details,
        "steps": [
            [int(step.result_code), [int(code) for code in codes], step.result_details]
            for step in result.steps
            for codes in (step.extended_result_codes,)
        ],
        "restart": None if result.restart is None else result.restart.value,
        "packageCode": int(outcome.package_code),
        "isRefused": outcome.is_refused,
    }


def outcome_from_json(members: Mapping[str, Any]) -> Outcome:
    """Read a result.

    Raises:
        FrameError: It is none.
    """
    try:
        restart = members.get("restart")
        result = DeploymentResult(
            ended=Ended(members["ended"]),
            result_code=int(members["resultCode"]),
            extended_result_codes=tuple(int(code) for code in members["extendedResultCodes"]),
            details=members["details"],
            steps=tuple(
                StepReport(int(code), tuple(int(part) for part in codes), details)
                for code, codes, details in members["steps"]
            ),
            restart=None if restart is None else Restart(restart),
        )
        return Outcome(result, int(members["packageCode"]), bool(members["isRefused"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"a result that cannot be read: {type(error).__name__}") from None


def failure(erc: int, message: str) -> DeploymentResult:
    """A deployment that failed as a whole."""
    return DeploymentResult(Ended.FAILED, 0, (erc,), message)


def error_of(members: Mapping[str, Any]) -> tuple[int, str]:
    """Why a file was not fetched."""
    code, message = members.get("erc"), members.get("error")
    return (
        code if isinstance(code, int) else Erc.DOWNLOAD_EXCEPTION,
        message if isinstance(message, str) else "the file could not be had",
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise FrameError(f"{name} is no text")
    return value


def _number(members: Mapping[str, Any], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FrameError(f"{name} is no number")
    return value
