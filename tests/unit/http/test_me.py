"""What a caller is told of themselves."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import api as api_module
from functions.me import api
from shared.domain.access import Principal
from shared.ports import NO_TELEMETRY


@pytest.mark.parametrize(
    ("roles", "instances"),
    [
        ((), []),
        (("SomethingElse",), []),
        (
            ("DeviceUpdateContentReader",),
            [
                {"id": "one", "actions": ["updates/read"]},
                {"id": "two", "actions": ["updates/read"]},
            ],
        ),
        (
            ("DeviceUpdateContentReader/two", "DeviceUpdateDeploymentsReader/two"),
            [{"id": "two", "actions": ["management/read", "updates/read"]}],
        ),
    ],
)
async def test_the_caller_learns_what_they_may_do_where(
    roles: tuple[str, ...], instances: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def validate(authorization: str | None) -> Principal:
        return Principal("alice-id", roles, "alice")

    app = SimpleNamespace(
        telemetry=NO_TELEMETRY,
        ports=SimpleNamespace(tokens=SimpleNamespace(validate=validate)),
        settings=SimpleNamespace(instances={"one": None, "two": None}),
    )
    monkeypatch.setattr(api_module, "container", lambda: app)
    request = func.HttpRequest(
        "GET", "https://host/deviceUpdate/me", params={"api-version": "2022-10-01"}, body=b""
    )

    answer = await api_module.serve(api.routes[0], api.handlers["get_me"], request)

    assert json.loads(answer.get_body()) == {
        "objectId": "alice-id",
        "name": "alice",
        "roles": list(roles),
        "instances": instances,
    }
