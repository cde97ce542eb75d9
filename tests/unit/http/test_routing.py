from __future__ import annotations

import json
import re
from urllib.parse import quote

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions import resources
from functions.resources import HOMES, RESOURCES, home_of, routes, serve
from shared.http.route import Route
from shared.http.routing import Router

ROUTES = routes()
ROUTER = Router(ROUTES)
_PARAMETER = re.compile(r"\{\w+\}")


def named(path: str) -> set[str]:
    return {route.name for route in ROUTER.find(path)}


@given(st.sampled_from(ROUTES), st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_an_operation_is_found_whatever_the_values_in_its_path(route: Route, value: str) -> None:
    path = _PARAMETER.sub(lambda _: quote(f"x{value}x", safe=""), route.template)

    assert route in ROUTER.find("/" + path)


@pytest.mark.parametrize("name", RESOURCES)
def test_every_operation_is_looked_for_where_it_is_declared(name: str) -> None:
    resource = resources._resource(name)

    homeless = {
        home
        for route in resource.routes
        if name not in HOMES.get(home := home_of(route.template), ())
    }
    needless = {
        home
        for home, names in HOMES.items()
        if name in names and home not in {home_of(route.template) for route in resource.routes}
    }
    assert (homeless, needless) == (set(), set())


def test_a_verb_is_meant_rather_than_an_id_that_ends_like_it() -> None:
    group = "deviceUpdate/one/management/groups/g/deployments/d"

    assert named(group + ":pause") == {"pause_deployment"}
    assert "get_deployment" in named(group)


def test_literals_are_compared_without_regard_to_case() -> None:
    assert named("DEVICEUPDATE/one/Updates") == named("deviceUpdate/one/updates") != set()


def test_an_encoded_slash_is_part_of_a_value() -> None:
    assert named("deviceUpdate/one/management/devices/a%2Fb") == {"get_device"}
    assert named("deviceUpdate/one/management/devices/a/b") == set()


async def ask(
    path: str, method: str = "GET", host: str = "du.example", **params: str
) -> tuple[func.HttpResponse, dict[str, str]]:
    request = func.HttpRequest(
        method, f"https://{host}{path}", headers={"Host": host}, params=params, body=b""
    )
    answer = await serve(request)
    return answer, json.loads(answer.get_body())["error"]


@pytest.mark.parametrize("path", ["/deviceUpdate/one/nothing", "/deviceUpdate/one/updates/a/b/c"])
async def test_an_unknown_address_is_answered_404_with_an_error_body(path: str) -> None:
    answer, error = await ask(path)

    assert (answer.status_code, error["code"]) == (404, "NotFound")


async def test_another_method_is_answered_405_with_those_allowed() -> None:
    answer, error = await ask("/deviceUpdate/one/management/devices/d1", "DELETE")

    assert (answer.status_code, error["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "host", ["a/deviceUpdate/other", "a?b", "a[b", "a#b", "a@b", "a b", "[::1"]
)
async def test_a_host_header_that_names_no_host_is_refused(host: str) -> None:
    request = func.HttpRequest(
        "GET", "https://du.example/deviceUpdate/one/updates", headers={"Host": host}, body=b""
    )

    answer = await serve(request)

    assert answer.status_code == 400
    assert json.loads(answer.get_body())["error"]["target"] == "Host"
