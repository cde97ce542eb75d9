"""Every call that may change something is written down, whatever becomes of it."""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import api as api_module
from functions import auditing
from functions.api import Api, Call
from functions.resources import routes
from shared.domain.access import Action, Principal
from shared.domain.errors import Conflict, NotFound
from shared.domain.limits import Budget
from shared.http.route import Route
from shared.ports import NO_TELEMETRY
from shared.services.audit.trail import AuditTrail
from shared.services.throttle import Throttle
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock

CHANGES_NOTHING = {"export_devices", "plan_deployment", "validate_import_manifest"}
"""Operations that are no GET and yet change nothing."""
SAS = "https://store.example/f?sig=secret"


class Tokens:
    roles: tuple[str, ...] = ("DeviceUpdateAdministrator",)

    async def validate(self, authorization: str | None) -> Principal:
        return Principal("alice-id", self.roles, "alice@example.com")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    log = MemoryAudit()
    clock = FixedClock()
    made = SimpleNamespace(
        telemetry=NO_TELEMETRY,
        ports=SimpleNamespace(tokens=Tokens(), clock=clock),
        settings=SimpleNamespace(instances={"local": None}, page_size=2),
        throttle=Throttle(Budget(), lambda: 0.0),
        audit=AuditTrail(log, clock),
        log=log,
        reads=SimpleNamespace(forget=lambda: None),
    )
    monkeypatch.setattr(api_module, "container", lambda: made)
    return made


def entries(app: Any) -> list[dict[str, Any]]:
    return [app.log.rows[key] for key in sorted(app.log.rows)]


async def ask(
    route: Route, handler: Any, body: Any = None, **headers: str
) -> tuple[func.HttpResponse, str]:
    path = re.sub(r"\{(\w+)\}", r"a-\1", route.path)
    request = func.HttpRequest(
        route.method,
        f"https://host/deviceUpdate/local/{path}",
        headers={"Content-Type": route.body_type, **headers},
        params={"api-version": "2022-10-01"},
        body=json.dumps(body).encode() if body is not None else b"",
    )
    return await api_module.serve(route, handler, request), path


async def refuses(call: Call) -> Any:
    """Refuse."""
    raise Conflict("It is in use.")


def changing() -> list[Route]:
    return [route for route in routes() if route.changes_state]


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.name)
def test_an_operation_is_audited_unless_it_only_reads(route: Route) -> None:
    is_changing = route.method != "GET" and route.name not in CHANGES_NOTHING

    assert route.changes_state is is_changing


@pytest.mark.parametrize("route", changing(), ids=lambda route: route.name)
async def test_a_changing_operation_is_written_down(
    app: Any, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "_readers", {})
    answer, _ = await ask(
        route,
        refuses,
        {"url": SAS},
        **{
            "X-Forwarded-For": "10.0.0.1, 203.0.113.9:4711",
            "User-Agent": "odu-cli/1.0",
            "x-ms-client-request-id": "mine",
        },
    )

    (entry,) = entries(app)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert (entry["action"], entry["result"], entry["status"]) == (route.name, "Conflict", 409)
    assert entry["actor"] == {
        "objectId": "alice-id",
        "name": "alice@example.com",
        "roles": ["DeviceUpdateAdministrator"],
        "address": "203.0.113.9",
        "client": "odu-cli/1.0",
    }
    assert entry["requestId"] == answer.headers["x-ms-request-id"]
    assert entry["clientRequestId"] == "mine"
    assert "secret" not in json.dumps(entry)


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> tuple[Api, dict[str, Any]]:
    """Operations on things, over a store in memory."""
    monkeypatch.setattr(api_module, "_readers", {})
    made, store = Api(), {}
    store["a-thing"] = {"name": "old"}

    @made.operation("GET", "things/{thing}", Action.MANAGEMENT_READ)
    async def get_thing(call: Call) -> Any:
        """Read."""
        if call.part("thing") not in store:
            raise NotFound("No such thing.")
        return store[call.part("thing")]

    @made.operation("PUT", "things/{thing}", Action.MANAGEMENT_WRITE, body=dict)
    async def put_thing(call: Call) -> Any:
        """Write."""
        store[call.part("thing")] = call.json()
        return store[call.part("thing")]

    @made.operation("POST", "things/{thing}:stop", Action.MANAGEMENT_WRITE)
    async def stop_thing(call: Call) -> Any:
        """Stop."""
        return {"name": "stopped"}

    @made.operation("DELETE", "things/{thing}", Action.MANAGEMENT_DELETE)
    async def delete_thing(call: Call) -> None:
        """Delete."""
        del store[call.part("thing")]

    return made, store


async def run(made: Api, name: str, body: Any = None) -> func.HttpResponse:
    route = next(route for route in made.routes if route.name == name)
    handler = made.handlers[name]
    answer, _ = await ask(route, handler, body)
    return answer


async def test_states_before_and_after_are_kept(app: Any, things: tuple[Api, Any]) -> None:
    made, _ = things

    await run(made, "put_thing", {"name": "new"})
    await run(made, "stop_thing")
    await run(made, "delete_thing")
    await run(made, "put_thing", {"name": "again"})

    old, new = {"name": "old"}, {"name": "new"}
    found = [
        (item["action"], item.get("before"), item.get("after"), item.get("request"))
        for item in entries(app)
    ]
    assert found == [
        ("put_thing", old, new, new),
        ("stop_thing", new, {"name": "stopped"}, None),
        ("delete_thing", new, None, None),
        ("put_thing", None, {"name": "again"}, {"name": "again"}),
    ]
    assert {item["target"] for item in entries(app)} == {"things/a-thing"}
    assert {item["result"] for item in entries(app)} == {"Succeeded"}


async def test_reading_is_not_written_down(app: Any, things: tuple[Api, Any]) -> None:
    made, _ = things

    answer = await run(made, "get_thing")

    assert answer.status_code == HTTPStatus.OK
    assert entries(app) == []


async def test_nothing_is_changed_that_cannot_be_written_down(
    app: Any, things: tuple[Api, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = things

    async def fails(*_: Any) -> bool:
        raise Conflict("Storage is away.")

    monkeypatch.setattr(app.log, "begin", fails)
    await run(made, "delete_thing")

    assert store == {"a-thing": {"name": "old"}}


async def test_a_try_without_the_role_is_written_down(
    app: Any, things: tuple[Api, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = things
    monkeypatch.setattr(Tokens, "roles", ("DeviceUpdateReader",))

    answer = await run(made, "put_thing", {"name": "new"})

    (entry,) = entries(app)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert (entry["result"], entry["status"]) == ("Forbidden", 403)
    assert "request" not in entry


async def test_tries_without_the_role_do_not_fill_the_log(
    app: Any, things: tuple[Api, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = things
    monkeypatch.setattr(Tokens, "roles", ())
    monkeypatch.setattr(api_module, "monotonic", lambda: 0.0)

    await asyncio.gather(*(run(made, "delete_thing") for _ in range(100)))

    assert len(entries(app)) <= 60


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (None, None),
        ("", None),
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9:80", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_the_one_that_the_front_end_has_seen(
    forwarded: str | None, address: str | None
) -> None:
    assert auditing._address(forwarded) == address


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("things/{thing}", "things/{thing}"),
        ("things/{thing}:stop", "things/{thing}"),
        ("updates:import", None),
        ("management/devices:import", None),
    ],
)
def test_the_state_of_a_single_thing_is_read(path: str, state: str | None) -> None:
    route = Route(name="x", method="POST", path=path, action=Action.UPDATES_WRITE, summary="")

    assert auditing.state_path(route) == state
