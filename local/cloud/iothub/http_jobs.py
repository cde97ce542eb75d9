"""Scheduled job operations of the service API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.iothub.auth import Right
from local.cloud.iothub.http_api import Call, Route, answer
from local.cloud.iothub.limits import Meter

if TYPE_CHECKING:
    from aiohttp import web

    from local.cloud.iothub.jobs import JobRunner

_PYTHON_SDK = "iothubgatewayserviceapis/"
_COMMAND_LINE = "IoTPlatformCliExtension"


def routes(jobs: JobRunner) -> tuple[Route, ...]:
    """Return the operations on scheduled jobs."""

    async def create(call: Call) -> web.Response:
        return answer(await jobs.create(call.path("id"), await call.json()))

    async def get(call: Call) -> web.Response:
        return answer(await jobs.get(call.path("id")))

    async def cancel(call: Call) -> web.Response:
        return answer(await jobs.cancel(call.path("id")))

    async def find(call: Call) -> web.Response:
        query = call.request.query
        items = await jobs.find(query.get("jobType", ""), query.get("jobStatus", ""))
        if _wants_object(call.request.headers.get("User-Agent", "")):
            return answer({"type": "jobResponse", "items": items})
        return answer(items, headers={"x-ms-item-type": "JobResponse"})

    right = Right.SERVICE_CONNECT
    return (
        Route(method="GET", path="/jobs/v2/query", handler=find, right=right, meter=Meter.JOBS),
        Route(method="PUT", path="/jobs/v2/{id}", handler=create, right=right, meter=Meter.JOBS),
        Route(method="GET", path="/jobs/v2/{id}", handler=get, right=right, meter=Meter.JOBS),
        Route(
            method="POST",
            path="/jobs/v2/{id}/cancel",
            handler=cancel,
            right=right,
            meter=Meter.JOBS,
        ),
    )


def _wants_object(user_agent: str) -> bool:
    """Whether a client reads found jobs from an object, as the Python SDK does; others, Azure's
    command line with its own build of that SDK among them, read an array.
    """
    return _PYTHON_SDK in user_agent and _COMMAND_LINE not in user_agent
