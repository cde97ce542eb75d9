from __future__ import annotations

import msgspec
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
from shared.domain.operation import Failure
from shared.http import wire
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


def body_of(error: DeviceUpdateError, occurred_at: str | None = None) -> dict[str, object]:
    found = msgspec.to_builtins(wire.error(Failure.of(error), occurred_at))
    assert isinstance(found, dict)
    return found


def test_error_has_only_the_members_that_say_something() -> None:
    assert body_of(NotFound("Gone.")) == {"code": "NotFound", "message": "Gone."}


def test_inner_error_is_spelt_as_the_published_api_has_it() -> None:
    innermost = InvalidInput("Third.", code="C")
    inner = InvalidInput("Second.", code="B", target="t", inner=innermost)
    error = InvalidInput(
        "First.", code="A", target="x", details=(InvalidInput("Detail.", target="/a"),), inner=inner
    )

    body = body_of(error, "2024-05-01T00:00:00Z")

    assert body["code"] == "A"
    assert body["target"] == "x"
    assert body["occurredDateTime"] == "2024-05-01T00:00:00Z"
    assert body["details"] == [{"code": "InvalidArgument", "message": "Detail.", "target": "/a"}]
    shown = msgspec.json.decode(msgspec.json.encode(body["innererror"]))
    assert shown["code"] == "B"
    assert shown["innerError"]["code"] == "C"
    assert "innererror" not in shown
