"""What every operation has in common: budget, conditions, and answers to what went wrong."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import api as api_module
from functions.api import Api, Call, Reply
from functions.call import parts_of
from shared.domain.access import Action
from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DependencyFailed,
    DependencyThrottled,
    DeviceUpdateError,
    LimitExceeded,
    NotFound,
)
from shared.domain.limits import Budget, TooManyRequests
from shared.http.models import UpdateFile
from shared.http.problems import headers_of, status_of
from shared.http.route import filter_by
from shared.ports import NO_TELEMETRY
from shared.services.throttle import Throttle

SECRET = "the password is swordfish"


class Tokens:
    async def validate(self, authorization: str | None) -> Any:
        return SimpleNamespace(roles=("DeviceUpdateAdministrator",), object_id="anna")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = SimpleNamespace(
        telemetry=NO_TELEMETRY,
        ports=SimpleNamespace(tokens=Tokens()),
        settings=SimpleNamespace(instances={"local": None}, page_size=2),
        throttle=Throttle(Budget(read=3), lambda: 0.0),
    )
    monkeypatch.setattr(api_module, "container", lambda: made)
    return made


def request(path: str = "things", **headers: str) -> func.HttpRequest:
    url = f"https://host/deviceUpdate/local/{path}"
    return func.HttpRequest(
        "GET", url, headers=headers, params={"api-version": "2022-10-01"}, body=b""
    )


def serve(handler: Any, path: str = "things", **declared: Any) -> Any:
    made = Api()
    made.operation("GET", path, Action.UPDATES_READ, **declared)(handler)
    (route,) = made.routes

    async def run(req: func.HttpRequest) -> func.HttpResponse:
        return await api_module.serve(route, handler, req)

    return run


async def fails(call: Call) -> Any:
    """Fail."""
    raise RuntimeError(SECRET)


async def works(call: Call) -> Any:
    """Work."""
    return {}


async def test_an_unexpected_failure_is_answered_with_a_trace_id_and_logged(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with caplog.at_level(logging.ERROR):
        answer = await serve(fails)(request(traceparent=f"00-{trace}-b7ad6b7169203331-01"))

    error = json.loads(answer.get_body())["error"]
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert error["code"] == "InternalServerError"
    assert trace in error["message"]
    assert SECRET not in answer.get_body().decode()
    assert "Retry-After" not in answer.headers
    assert trace in caplog.text
    assert SECRET in caplog.text


async def test_a_spent_budget_is_answered_with_when_to_come_back(app: Any) -> None:
    run = serve(works)
    for _ in range(3):
        assert (await run(request())).status_code == HTTPStatus.OK

    answer = await run(request())

    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert answer.headers["Retry-After"] == "20"
    assert json.loads(answer.get_body())["error"]["code"] == "TooManyRequests"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, HTTPStatus.OK),
        ({"If-None-Match": '"one"'}, HTTPStatus.NOT_MODIFIED),
        ({"If-None-Match": "*"}, HTTPStatus.NOT_MODIFIED),
        ({"If-None-Match": '"two"'}, HTTPStatus.OK),
        ({"If-Match": '"one"'}, HTTPStatus.OK),
        ({"If-Match": "*"}, HTTPStatus.OK),
        ({"If-Match": '"two"'}, HTTPStatus.PRECONDITION_FAILED),
    ],
)
async def test_conditions_decide_what_a_read_answers(
    app: Any, headers: dict[str, str], status: HTTPStatus
) -> None:
    async def tagged(call: Call) -> Any:
        """Read."""
        return Reply(
            UpdateFile(file_id="f", file_name="f", size_in_bytes=1, hashes={}, etag='"one"')
        )

    answer = await serve(tagged, is_conditional=True)(request(**headers))

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "tag", "target"),
    [
        ({}, None, None),
        ({}, '"one"', None),
        ({"If-Match": '"one"'}, '"one"', None),
        ({"If-Match": "*"}, '"one"', None),
        ({"If-Match": '"two"'}, '"one"', "If-Match"),
        ({"If-Match": "*"}, None, "If-Match"),
        ({"If-None-Match": "*"}, None, None),
        ({"If-None-Match": "*"}, '"one"', "If-None-Match"),
        ({"If-None-Match": '"one"'}, '"one"', "If-None-Match"),
        ({"If-None-Match": '"two"'}, '"one"', None),
    ],
)
async def test_conditions_decide_whether_a_write_is_done(
    app: Any, headers: dict[str, str], tag: str | None, target: str | None
) -> None:
    async def writes(call: Call) -> Any:
        """Write."""
        call.check_condition(tag)
        return {}

    answer = await serve(writes)(request(**headers))

    assert answer.status_code == (HTTPStatus.PRECONDITION_FAILED if target else HTTPStatus.OK)
    assert json.loads(answer.get_body()).get("error", {}).get("target") == target


async def test_a_body_without_an_etag_has_that_of_its_bytes(app: Any) -> None:
    counted = {"count": 1}

    async def counts(call: Call) -> Any:
        """Read."""
        return dict(counted)

    run = serve(counts, is_conditional=True)
    tag = (await run(request())).headers["ETag"]
    again = await run(request(**{"If-None-Match": tag}))
    counted["count"] = 2
    changed = await run(request(**{"If-None-Match": tag}))

    assert (again.status_code, again.get_body()) == (HTTPStatus.NOT_MODIFIED, b"")
    assert changed.status_code == HTTPStatus.OK
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("devices/a%2541b", "a%41b"),
        ("devices/a%2Fb", "a/b"),
        ("devices/%24default", "$default"),
        ("devices/$default", "$default"),
        ("devices/a%0Ab/", "a\nb"),
        ("devices/%F0%9F%9A%9A", "\N{DELIVERY TRUCK}"),
    ],
)
def test_a_value_of_the_path_is_decoded_once(address: str, found: str) -> None:
    made = Api()
    made.operation("GET", "devices/{deviceId}", Action.MANAGEMENT_READ)(works)
    url = f"https://host/deviceUpdate/one%20two/{address}?x=/y"

    assert parts_of(made.routes[0], url) == {"instanceId": "one two", "deviceId": found}


@pytest.mark.parametrize("suffix", [":cancel", "%3Acancel", ":CANCEL"])
def test_a_method_after_a_value_is_no_part_of_it(suffix: str) -> None:
    made = Api()
    made.operation("POST", "d/{deploymentId}:cancel", Action.MANAGEMENT_WRITE)(works)

    found = parts_of(made.routes[0], f"https://host/deviceUpdate/i/d/a:b{suffix}")

    assert found["deploymentId"] == "a:b"


@pytest.mark.parametrize(
    ("error", "status", "is_passing"),
    [
        (LimitExceeded("x"), 400, False),
        (NotFound("x"), 404, False),
        (Conflict("x"), 409, False),
        (TooManyRequests("x", 0.2), 429, True),
        (DependencyThrottled("x", retry_after=7.5), 429, True),
        (DependencyFailed("x"), 503, True),
        (DependencyFailed("x", retryable=False), 503, False),
        (ConcurrentUpdate("x"), 503, True),
    ],
)
def test_only_what_may_pass_says_when_to_come_back(
    error: DeviceUpdateError, status: int, is_passing: bool
) -> None:
    assert status_of(error) == status
    assert ("Retry-After" in headers_of(error)) == is_passing
    wait = getattr(error, "retry_after", None)
    if is_passing and wait:
        assert int(headers_of(error)["Retry-After"]) >= wait


def asking(**options: str) -> func.HttpRequest:
    return func.HttpRequest(
        "GET",
        "https://host/deviceUpdate/local/things",
        params={"api-version": "2022-10-01", **options},
        body=b"",
    )


@pytest.mark.parametrize(
    "name", ["$filter", "$top", "$orderby", "filter", "Filter", "orderBy", "search", "top"]
)
async def test_an_odata_option_is_refused_not_ignored(app: Any, name: str) -> None:
    answer = await serve(works)(asking(**{name: "x"}))

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert json.loads(answer.get_body())["error"]["target"] == name


async def test_an_option_that_an_operation_takes_is_read(app: Any) -> None:
    async def lists(call: Call) -> Any:
        """Read."""
        return {"filter": call.query("filter")}

    answer = await serve(lists, query=(filter_by("x"),))(asking(filter="x", other="y"))

    assert json.loads(answer.get_body()) == {"filter": "x"}
