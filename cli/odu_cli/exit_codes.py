"""What the exit code of an operator's command says."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The codes; those of the shell and of the command line parser keep their meaning."""

    SUCCESS = 0
    ERROR = 1
    USAGE = 2
    UNREACHABLE = 10
    TOKEN = 11
    ROLE = 12
    NOT_FOUND = 13
    CONFLICT = 14
    INVALID = 15
    FAILED = 16
    BUSY = 17
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.SUCCESS: "done",
    ExitCode.ERROR: "the service failed, or answered something unexpected",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.UNREACHABLE: "the service cannot be reached, or no stack is up",
    ExitCode.TOKEN: "there is no token, or it is expired or not valid",
    ExitCode.ROLE: "the token lacks the role",
    ExitCode.NOT_FOUND: "the thing does not exist",
    ExitCode.CONFLICT: "the state of the thing forbids it",
    ExitCode.INVALID: "the input is not valid",
    ExitCode.FAILED: "the operation, or a device of a watched deployment, failed",
    ExitCode.BUSY: "throttled or unavailable for now; try again later",
    ExitCode.INTERRUPTED: "interrupted",
}

_OF_STATUS = {
    400: ExitCode.INVALID,
    401: ExitCode.TOKEN,
    403: ExitCode.ROLE,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    413: ExitCode.INVALID,
    415: ExitCode.INVALID,
    429: ExitCode.BUSY,
    503: ExitCode.BUSY,
}


def of_status(status: int) -> ExitCode:
    """The code for an HTTP status that is an error."""
    return _OF_STATUS.get(status, ExitCode.ERROR)


def table() -> str:
    """The codes and their meanings, a line each."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
