"""The admin interface, behind the master key: what runs here, and firing a function by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from azure.storage.queue import QueueMessage

from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.index import Function, QueueTrigger, TimerTrigger
from local.cloud.functions_host.keys import Keys, given_key
from local.cloud.functions_host.queues import Delivery, trigger_data
from local.cloud.functions_host.routing import decode_segments
from local.cloud.functions_host.tasks import TaskSet
from local.cloud.functions_host.timers import timer_data


class Admin:
    """Answers requests below /admin."""

    def __init__(
        self,
        host_id: str,
        functions: Iterable[Function],
        keys: Keys,
        executor: Executor,
        work: TaskSet,
    ) -> None:
        self._host_id = host_id
        self._functions = {function.name.lower(): function for function in functions}
        self._keys = keys
        self._executor = executor
        self._work = work

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request whose path starts with /admin."""
        if not self._keys.opens_admin(given_key(request)):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        path = [segment.lower() for segment in decode_segments(request.rel_url.raw_path)]
        match request.method, path:
            case "GET", ["admin", "host", "status"]:
                return web.json_response(self._status())
            case "POST", ["admin", "functions", name] if name in self._functions:
                return await self._fire(self._functions[name], await request.read())
            case _:
                return web.Response(status=HTTPStatus.NOT_FOUND)

    def _status(self) -> dict[str, object]:
        functions = [
            {"name": function.name, "trigger": type(function.trigger).__name__}
            for function in self._functions.values()
        ]
        return {"id": self._host_id, "state": "Running", "functions": functions}

    async def _fire(self, function: Function, body: bytes) -> web.Response:
        try:
            data = _data(function, body)
        except (ValueError, AttributeError) as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))
        self._work.spawn(self._executor.run(function, data), f"manual run of {function.name}")
        return web.Response(status=HTTPStatus.ACCEPTED)


def _data(function: Function, body: bytes) -> TriggerData:
    text = json.loads(body).get("input", "") if body else ""
    if isinstance(function.trigger, TimerTrigger):
        return timer_data(past_due=False, last=None, due=None)
    if isinstance(function.trigger, QueueTrigger):
        content = text if isinstance(text, str) else json.dumps(text)
        message = QueueMessage(content=content)
        message.id, message.pop_receipt = str(uuid.uuid4()), ""
        return trigger_data(Delivery(message, content.encode()))
    raise ValueError(f"{function.name} has no timer or queue trigger")
