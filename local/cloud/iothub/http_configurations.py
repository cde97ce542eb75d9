"""Configuration operations of the service API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from local.cloud.iothub.auth import Right
from local.cloud.iothub.errors import HubError, invalid
from local.cloud.iothub.http_api import Call, Route, answer
from local.cloud.iothub.job_records import read_condition
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.query import parse_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.iothub.configurations import Configurations

_PAGE = 100


def routes(configurations: Configurations) -> tuple[Route, ...]:
    """Return the operations on configurations."""

    async def put(call: Call) -> web.Response:
        body = await call.json()
        return answer(await configurations.put(call.path("id"), body, call.if_match))

    async def get(call: Call) -> web.Response:
        return answer(await configurations.get(call.path("id")))

    async def delete(call: Call) -> web.Response:
        await configurations.delete(call.path("id"), call.if_match)
        return web.Response(status=204)

    async def find(call: Call) -> web.Response:
        return answer(await configurations.find(int(call.number("top", _PAGE, 1, _PAGE))))

    read, write, meter = Right.REGISTRY_READ, Right.REGISTRY_WRITE, Meter.CONFIGURATIONS
    return (
        Route(
            method="POST",
            path="/configurations/testQueries",
            handler=_test_queries,
            right=read,
            meter=meter,
        ),
        Route(method="GET", path="/configurations", handler=find, right=read, meter=meter),
        Route(method="GET", path="/configurations/{id}", handler=get, right=read, meter=meter),
        Route(method="PUT", path="/configurations/{id}", handler=put, right=write, meter=meter),
        Route(
            method="DELETE", path="/configurations/{id}", handler=delete, right=write, meter=meter
        ),
    )


async def _test_queries(call: Call) -> web.Response:
    body = await call.json_object()
    queries = body.get("customMetricQueries") or {}
    if not isinstance(queries, dict):
        raise invalid("customMetricQueries must be a JSON object.")
    problems = {name: _problem(parse_query, str(text)) for name, text in queries.items()}
    return answer(
        {
            "targetConditionError": _problem(
                read_condition, str(body.get("targetCondition") or "")
            ),
            "customMetricQueryErrors": {name: text for name, text in problems.items() if text},
        }
    )


def _problem(read: Callable[[str], object], text: str) -> str | None:
    try:
        read(text)
    except HubError as error:
        return error.message
    return None
