"""Domain errors as HTTP answers: the one place where a status is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from http import HTTPStatus

from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DependencyFailed,
    DependencyThrottled,
    DeviceUpdateError,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from shared.domain.limits import TooManyRequests

_STATUS: tuple[tuple[type[DeviceUpdateError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.BAD_REQUEST),
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (DependencyThrottled, HTTPStatus.TOO_MANY_REQUESTS),
    (PreconditionFailed, HTTPStatus.PRECONDITION_FAILED),
    (LimitExceeded, HTTPStatus.BAD_REQUEST),
    (ConcurrentUpdate, HTTPStatus.SERVICE_UNAVAILABLE),
    (DependencyFailed, HTTPStatus.SERVICE_UNAVAILABLE),
)
_DEFAULT_RETRY_SECONDS = 2


class UnsupportedMediaType(InvalidInput):
    """The body has another content type than the operation takes."""

    default_code = "UnsupportedMediaType"


class MethodNotAllowed(InvalidInput):
    """The address takes other methods; `allowed` are those."""

    default_code = "MethodNotAllowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"This address takes {self.allowed}.", target="method")


def status_of(error: DeviceUpdateError) -> HTTPStatus:
    """The HTTP status of an error."""
    if isinstance(error, UnsupportedMediaType):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if isinstance(error, MethodNotAllowed):
        return HTTPStatus.METHOD_NOT_ALLOWED
    return next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def headers_of(error: DeviceUpdateError) -> dict[str, str]:
    """Headers that go with an error. `Retry-After` never stands on a final answer."""
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": error.allowed}
    if error.retryable:
        wait = getattr(error, "retry_after", None)
        return {"Retry-After": str(math.ceil(wait or _DEFAULT_RETRY_SECONDS))}
    return {}
