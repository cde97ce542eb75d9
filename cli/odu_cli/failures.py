"""Why a command fails: an exit code, one sentence, and every detail with its JSON pointer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odu_cli.exit_codes import ExitCode, of_status
from odu_cli.keys import KeysError
from odu_cli.local_stack import NotRunning
from odu_cli.rest import UNEXPECTED_ANSWER, RestError, Unreachable
from shared.domain.errors import DeviceUpdateError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refused(Exception):
    """A command ends without having done its work.

    Args:
        code: The exit code.
        sentence: What is wrong, for people.
        error: The `Error` object of the API, or one in its shape, where there is one.
        document: What `--json` prints instead of the error: the failed operation, say.
    """

    def __init__(
        self,
        code: ExitCode,
        sentence: str,
        *,
        error: Mapping[str, Any] | None = None,
        document: object = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.error = error or {"code": code.name.title(), "message": sentence}
        self.document = document


EXPECTED = (Refused, RestError, Unreachable, NotRunning, KeysError, DeviceUpdateError, OSError)
"""The exceptions that `refusal` explains."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One of the things that are wrong: where (JSON pointer, file or id) and what."""

    target: str
    message: str
    depth: int = 0


def refusal(error: Exception, token_hint: str) -> Refused:
    """Explain one of the `EXPECTED` exceptions.

    Args:
        error: The exception.
        token_hint: How to get a better token.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, RestError):
        return _of_answer(error, token_hint)
    if isinstance(error, Unreachable | NotRunning):
        return Refused(ExitCode.UNREACHABLE, str(error))
    if isinstance(error, DeviceUpdateError):
        return Refused(ExitCode.INVALID, error.message, error=as_error(error))
    if isinstance(error, OSError) and error.filename is not None:
        sentence = f"{error.filename}: {error.strerror}"
        return Refused(ExitCode.INVALID, sentence)
    return Refused(ExitCode.ERROR, str(error))


def as_error(error: DeviceUpdateError) -> dict[str, Any]:
    """An error of the domain as the API's `Error` object."""
    found: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.target is not None:
        found["target"] = error.target
    if error.details:
        found["details"] = [as_error(detail) for detail in error.details]
    if error.inner is not None:
        found["innererror"] = {"code": error.inner.code, "message": error.inner.message}
    return found


def failed(what: str, error: Mapping[str, Any], document: object) -> Refused:
    """The refusal for something that ended with the status Failed."""
    codes = " / ".join(_codes(error))
    sentence = f"{what} failed ({codes}): {error.get('message', '')}"
    return Refused(ExitCode.FAILED, sentence, error=error, document=document)


def details(error: Mapping[str, Any], depth: int = 0) -> list[Detail]:
    """Every detail of an error, those of details below them."""
    found: list[Detail] = []
    for item in error.get("details") or ():
        target = str(item.get("target") or "")
        message = str(item.get("message", "")).removeprefix(f"{target or 'document'}: ")
        found.append(Detail(target, message, depth))
        found += details(item, depth + 1)
    return found


def _of_answer(error: RestError, token_hint: str) -> Refused:
    code = of_status(error.status)
    if error.error.get("code") == UNEXPECTED_ANSWER and code is ExitCode.NOT_FOUND:
        code = ExitCode.ERROR  # not a thing is missing, but this API
    message = str(error.error.get("message") or f"The service answers {error.status}.")
    sentence = {
        ExitCode.TOKEN: f"the service refuses the token: {message} {token_hint}",
        ExitCode.ROLE: f"the token lacks the role. {message}",
        ExitCode.BUSY: f"the service is busy: {message} Try again later.",
        ExitCode.ERROR: f"the service failed ({error.status}): {message}",
    }.get(code, message)
    return Refused(code, sentence, error=error.error)


def _codes(error: Mapping[str, Any]) -> list[str]:
    """The code of an error, and those of its causes, from general to specific."""
    found = [str(error.get("code", "unknown"))]
    inner = error.get("innererror")
    while isinstance(inner, dict):
        found.append(str(inner.get("code", "unknown")))
        inner = inner.get("innerError")
    return found
