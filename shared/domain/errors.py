"""The errors of the domain: what went wrong, which thing, what to do next.

One small hierarchy; `shared.http.problems` alone turns it into HTTP statuses.
"""

from __future__ import annotations

from shared.contract.visible import visible

_MOST_OF_A_MESSAGE = 1000
_MOST_OF_A_TARGET = 512


def code_of(error: BaseException) -> str:
    """What a failure is called where only its kind is told."""
    return error.code if isinstance(error, DeviceUpdateError) else type(error).__name__


class DeviceUpdateError(Exception):
    """Anything the service refuses or cannot do.

    What is echoed of the input is cut, and what could hide in it is made visible.

    Args:
        message: What happened, in one sentence that a user can act on. Never holds a secret.
        code: Stable word for programs.
        target: What is at fault: a JSON pointer for a place in a document, else the name of a
            parameter, header, file or limit.
        details: Further errors of the same kind (all violations of one document, say).
        inner: A more specific cause.
    """

    default_code = "InternalServerError"
    retryable = False
    """Whether the same call may succeed later, unchanged."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        details: tuple[DeviceUpdateError, ...] = (),
        inner: DeviceUpdateError | None = None,
    ) -> None:
        message = visible(message, _MOST_OF_A_MESSAGE)
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.target = target if target is None else visible(target, _MOST_OF_A_TARGET)
        self.details = details
        self.inner = inner


class InvalidInput(DeviceUpdateError):
    """The caller sent something malformed or inconsistent."""

    default_code = "InvalidArgument"


class Unauthorized(DeviceUpdateError):
    """The caller did not prove who they are."""

    default_code = "Unauthorized"


class Forbidden(DeviceUpdateError):
    """The caller is known but lacks the role."""

    default_code = "Forbidden"


class NotFound(DeviceUpdateError):
    """The thing named does not exist (or is not the caller's to see)."""

    default_code = "NotFound"


class Conflict(DeviceUpdateError):
    """The state of the thing forbids the request."""

    default_code = "Conflict"


class PreconditionFailed(DeviceUpdateError):
    """A condition the caller gave (an ETag) does not hold."""

    default_code = "PreconditionFailed"


class LimitExceeded(DeviceUpdateError):
    """A limit of the service is reached; the message names it and its value."""

    default_code = "LimitExceeded"


class DependencyFailed(DeviceUpdateError):
    """A server the service depends on failed or refused.

    `retry_after` is in seconds.
    """

    default_code = "ServiceUnavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        inner: DeviceUpdateError | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, target=target, inner=inner)
        self.retryable = retryable
        self.retry_after = retry_after


class DependencyRefused(DependencyFailed):
    """A server the service depends on will never take the request as it is; the message has why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="Refused", retryable=False)


class DependencyThrottled(DependencyFailed):
    """A server the service depends on takes no more requests for now."""

    default_code = "TooManyRequests"


class ConcurrentUpdate(DeviceUpdateError):
    """A row changed between read and write: read again and retry."""

    default_code = "ConcurrentUpdate"
    retryable = True
