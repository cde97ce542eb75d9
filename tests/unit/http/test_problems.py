from __future__ import annotations

import pytest

from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DependencyFailed,
    DeviceUpdateError,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from shared.http.problems import UnsupportedMediaType, headers_of, status_of

STATUS = {
    InvalidInput: 400,
    LimitExceeded: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    PreconditionFailed: 412,
    UnsupportedMediaType: 415,
    ConcurrentUpdate: 503,
    DependencyFailed: 503,
    DeviceUpdateError: 500,
}


@pytest.mark.parametrize("kind", STATUS)
def test_status_follows_the_kind_of_error(kind: type[DeviceUpdateError]) -> None:
    assert status_of(kind("Wrong.")) == STATUS[kind]


@pytest.mark.parametrize("kind", [kind for kind, status in STATUS.items() if status < 500])
def test_final_answer_never_asks_to_retry(kind: type[DeviceUpdateError]) -> None:
    assert "Retry-After" not in headers_of(kind("Wrong."))


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (ConcurrentUpdate("Raced."), {"Retry-After": "2"}),
        (DependencyFailed("Busy.", retry_after=7.4), {"Retry-After": "8"}),
        (DependencyFailed("Busy."), {"Retry-After": "2"}),
        (DependencyFailed("Refused.", retryable=False), {}),
        (Unauthorized("Who?"), {"WWW-Authenticate": "Bearer"}),
        (DeviceUpdateError("Broken."), {}),
    ],
)
def test_headers_say_when_to_come_back(error: DeviceUpdateError, headers: dict[str, str]) -> None:
    assert headers_of(error) == headers
