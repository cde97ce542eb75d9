"""The service's own adapter against a hub that throttles or fails."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from shared.adapters.hub import IoTHubs
from shared.domain.errors import (
    DependencyFailed,
    DependencyRefused,
    DependencyThrottled,
    DeviceUpdateError,
    NotFound,
)
from shared.http.problems import headers_of, status_of
from shared.settings import InstanceSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.integration.iothub.conftest import Hub


def adapter_of(hub: Hub) -> IoTHubs:
    settings = InstanceSettings("local", hub.host, "hub", hub.connection_string())
    return IoTHubs({"local": settings}, lambda: None)


@pytest.mark.parametrize(
    ("status", "kind", "answered"),
    [
        (429, DependencyThrottled, HTTPStatus.TOO_MANY_REQUESTS),
        (500, DependencyFailed, HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
async def test_throttles_and_failures_of_the_hub_are_passed_on_and_pass(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: type[DeviceUpdateError],
    answered: HTTPStatus,
) -> None:
    async with own_hub() as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.certificates.authority))
        device_id, adapter = await hub.new_device(), adapter_of(hub)
        await hub.faults(failTwinPatches={"count": 1, "status": status})
        await adapter.patch_desired("local", device_id, None, {"tried": "again"})

        await hub.faults(failTwinPatches={"count": 1_000, "status": status})
        with pytest.raises(kind) as failed:
            await adapter.patch_desired("local", device_id, None, {"tried": "too often"})

        assert failed.value.retryable
        assert status_of(failed.value) == answered
        assert int(headers_of(failed.value)["Retry-After"]) >= 1
        await hub.faults(failTwinPatches={"count": 0, "status": status})
        await adapter.patch_desired("local", device_id, None, {"tried": "later"})
        with pytest.raises(NotFound):
            await adapter.patch_desired("local", "nobody", None, {})


async def test_queries_beyond_the_rate_of_the_hub_are_told_to_wait(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_hub("--throttle", "--throttle-burst", "1") as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.certificates.authority))
        adapter = adapter_of(hub)

        async def query_often() -> None:
            for _ in range(20):
                await adapter.query_twins("local", "devices", None)

        with pytest.raises(DependencyThrottled) as throttled:
            await query_often()

        assert status_of(throttled.value) == HTTPStatus.TOO_MANY_REQUESTS
        assert "Retry-After" in headers_of(throttled.value)


async def test_what_the_hub_never_takes_is_refused_with_its_reason(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_hub() as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.certificates.authority))
        device_id, adapter = await hub.new_device(), adapter_of(hub)

        with pytest.raises(DependencyRefused) as refused:
            await adapter.patch_desired("local", device_id, None, {"long": "x" * 4097})

        assert not refused.value.retryable
        assert "400: " in refused.value.message
        assert "properties.desired.long is longer than 4096 bytes" in refused.value.message


async def test_a_hub_that_does_not_let_the_service_in_refuses_no_command(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with own_hub() as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.certificates.authority))
        device_id = await hub.new_device()
        wrong = hub.connection_string().replace("SharedAccessKey=", "SharedAccessKey=AAAA")
        settings = InstanceSettings("local", hub.host, "hub", wrong)
        adapter = IoTHubs({"local": settings}, lambda: None)

        with pytest.raises(DependencyFailed, match="its role in the hub") as refused:
            await adapter.patch_desired("local", device_id, None, {})

        assert refused.value.retryable
