"""What callers are told while the storage account takes no more requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from aiohttp import web

from functions import api as api_module
from functions.api import Api, Call
from shared import messages
from shared.container.adapters import Adapters
from shared.container.services import Services
from shared.domain.access import Action
from shared.domain.updates.update_id import UpdateId
from shared.settings import read_settings
from tests.azurite import ACCOUNT, KEY
from tests.builders.settings import environment


@dataclass(slots=True)
class BusyAccount:
    """Blobs, queues and tables that answer every request alike."""

    status: int
    url: str = ""
    asked: dict[str, int] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        service = request.path.split("/")[1]
        self.asked[service] = self.asked.get(service, 0) + 1
        return web.Response(status=self.status, headers={"x-ms-error-code": "ServerBusy"})

    @property
    def connection_string(self) -> str:
        services = ("blob", "queue", "table")
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};" + ";".join(
            f"{service.title()}Endpoint={self.url}/{service}/{ACCOUNT}" for service in services
        )


@asynccontextmanager
async def busy_account(status: int) -> AsyncIterator[BusyAccount]:
    account = BusyAccount(status)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", account.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        account.url = f"http://{host}:{port}"
        yield account
    finally:
        await runner.cleanup()


async def read_table(call: Call) -> Any:
    """Read a row."""
    return await call.app.ports.updates.get(call.instance, UpdateId("acme", "kiosk", "1.0"))


async def put_message(call: Call) -> Any:
    """Ask for work."""
    return await call.app.ports.queues.put(messages.RollUp(instance="factory", group="g"))


async def read_blob(call: Call) -> Any:
    """Read a blob."""
    return await call.app.ports.blobs.read("content", "any")


class Tokens:
    async def validate(self, authorization: str | None) -> Any:
        return SimpleNamespace(roles=("DeviceUpdateAdministrator",))


@pytest.mark.parametrize(
    ("storage", "status", "attempts"),
    [
        (503, HTTPStatus.SERVICE_UNAVAILABLE, {"blob": 4, "queue": 4, "table": 4}),
        (500, HTTPStatus.SERVICE_UNAVAILABLE, {"blob": 4, "queue": 4, "table": 4}),
        (429, HTTPStatus.TOO_MANY_REQUESTS, {"blob": 1, "queue": 1, "table": 4}),
    ],
)
async def test_busy_storage_is_passed_on_as_such(
    monkeypatch: pytest.MonkeyPatch,
    storage: int,
    status: HTTPStatus,
    attempts: dict[str, int],
) -> None:
    """Each SDK tries again as it sees fit, then the caller is told to."""
    async with busy_account(storage) as account:
        settings = read_settings(
            environment(
                STATE=account.connection_string,
                CONTENT=account.connection_string,
            )
        )
        ports = Adapters(settings)
        monkeypatch.setattr(ports, "tokens", Tokens(), raising=False)
        services = Services(ports, settings)
        monkeypatch.setattr(api_module, "container", lambda: services)

        answers = await asyncio.gather(
            *(ask(handler) for handler in (read_table, put_message, read_blob))
        )
        await ports.accounts.close()

    assert [answer.status_code for answer in answers] == [status] * 3
    for answer in answers:
        assert int(answer.headers["Retry-After"]) > 0
        assert KEY not in answer.get_body().decode()
        assert json.loads(answer.get_body())["error"]["code"] in (
            "ServiceUnavailable",
            "TooManyRequests",
        )
    assert account.asked == attempts


async def ask(handler: Any) -> func.HttpResponse:
    made = Api()
    made.operation("GET", "things", Action.UPDATES_READ)(handler)
    request = func.HttpRequest(
        "GET",
        "https://host/deviceUpdate/factory/things",
        params={"api-version": "2022-10-01"},
        body=b"",
    )
    return await api_module.serve(made.routes[0], handler, request)
