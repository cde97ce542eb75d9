"""IoT hubs, through the service SDK.

The SDK is synchronous and retries no twin PATCH, and reports failures by two unrelated classes;
both are handled here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from shared.contract.visible import visible
from shared.domain.errors import (
    DependencyFailed,
    DependencyRefused,
    DependencyThrottled,
    NotFound,
)
from shared.domain.fleet.device import (
    TwinChange,
)
from shared.domain.fleet.refusal import refused_command
from shared.domain.fleet.twin_content import kept_content
from shared.domain.instant import instant
from shared.ports import Page, TwinSource
from shared.settings import InstanceSettings

_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 0.25
_QUERIES: dict[TwinSource, str] = {
    "devices": "SELECT * FROM devices",
    "devices.modules": "SELECT * FROM devices.modules",
}
_NOT_LET_IN = (401, 403)
"""What these refuse is the service, whatever it asks: that passes once an operator has acted."""
_MOST_OF_A_REASON = 500
_QUERY_PAGE = 250
"""Twins of one page, each of up to 72 KiB."""


class _Registry(Protocol):
    def update_twin(self, device_id: str, twin: Any, etag: str | None = None) -> Any: ...
    def update_module_twin(
        self, device_id: str, module_id: str, twin: Any, etag: str | None = None
    ) -> Any: ...
    def get_twin(self, device_id: str) -> Any: ...
    def query_iot_hub(self, query: Any, token: str | None, size: int) -> Any: ...
    def get_module_twin(self, device_id: str, module_id: str) -> Any: ...


class IoTHubs:
    """Implements `ports.Hub` for every instance."""

    def __init__(
        self, instances: Mapping[str, InstanceSettings], credential: Callable[[], Any]
    ) -> None:
        self._instances = instances
        self._credential = credential
        self._registries: dict[str, _Registry] = {}

    async def patch_desired(
        self, instance: str, device_id: str, module_id: str | None, desired: Mapping[str, Any]
    ) -> None:
        """See the port."""
        from azure.iot.hub.models import Twin, TwinProperties

        twin = Twin(properties=TwinProperties(desired=dict(desired)))
        registry = await asyncio.to_thread(self._registry, instance)
        if module_id:
            await _call(lambda: registry.update_module_twin(device_id, module_id, twin), device_id)
        else:
            await _call(lambda: registry.update_twin(device_id, twin), device_id)

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        """See the port."""
        registry = await asyncio.to_thread(self._registry, instance)
        try:
            if module_id:
                twin = await _call(
                    lambda: registry.get_module_twin(device_id, module_id), device_id
                )
            else:
                twin = await _call(lambda: registry.get_twin(device_id), device_id)
        except NotFound:
            return None
        return _whole(twin)

    async def query_twins(
        self, instance: str, source: TwinSource, token: str | None
    ) -> Page[TwinChange]:
        """See the port."""
        from azure.iot.hub.models import QuerySpecification

        query = QuerySpecification(query=_QUERIES[source])
        registry = await asyncio.to_thread(self._registry, instance)
        result = await _call(lambda: registry.query_iot_hub(query, token, _QUERY_PAGE), "")
        return Page([_whole(twin) for twin in result.items or ()], result.continuation_token)

    def _registry(self, instance: str) -> _Registry:
        if instance not in self._registries:
            from azure.iot.hub import IoTHubRegistryManager

            settings = self._instances[instance]
            registry: Any = (
                IoTHubRegistryManager.from_connection_string(settings.hub_connection_string)
                if settings.hub_connection_string
                else IoTHubRegistryManager.from_token_credential(
                    settings.hub_host, self._credential()
                )
            )
            self._registries[instance] = registry
        return self._registries[instance]


def _whole(twin: Any) -> TwinChange:
    desired = (twin.properties.desired if twin.properties else None) or {}
    reported = (twin.properties.reported if twin.properties else None) or {}
    return TwinChange(
        device_id=twin.device_id,
        module_id=twin.module_id or None,
        version=int(twin.version or 0),
        content=kept_content(
            {
                "tags": twin.tags or {},
                "properties": {"reported": reported},
                "modelId": (twin.additional_properties or {}).get("modelId"),
            }
        ),
        is_whole=True,
        at=_last_updated(desired, reported),
        heard_at=_last_updated(reported),
        refused=refused_command(desired, reported),
    )


def _last_updated(*sections: Mapping[str, Any]) -> str:
    """When the hub last changed some of the sections of a twin, by its own clock."""
    times = [section.get("$metadata", {}).get("$lastUpdated") for section in sections]
    return max((instant(str(time)) for time in times if time), default="")


async def _call(work: Callable[[], Any], device_id: str) -> Any:
    from msrest.exceptions import ClientException, HttpOperationError

    for attempt in range(_ATTEMPTS):
        try:
            return await asyncio.to_thread(work)
        except HttpOperationError as error:
            status = error.response.status_code
            if status == 404:
                raise NotFound(f"Device '{device_id}' is not in the hub.") from error
            if status in _NOT_LET_IN:
                raise DependencyFailed(
                    f"The hub answered {status}: give the service's identity its role in the hub."
                ) from error
            if status != 429 and status < 500:
                raise DependencyRefused(f"The hub answered {status}: {_reason(error)}") from error
            if attempt == _ATTEMPTS - 1:
                wait = error.response.headers.get("Retry-After", "")
                kind = DependencyThrottled if status == 429 else DependencyFailed
                raise kind(
                    f"The hub answered {status}.",
                    retry_after=float(wait) if wait.isdigit() else None,
                ) from error
        except ClientException as error:
            if attempt == _ATTEMPTS - 1:
                raise DependencyFailed("The hub cannot be reached.") from error
        await asyncio.sleep(_FIRST_WAIT_SECONDS * 4**attempt)
    raise AssertionError("every attempt returns or raises")


def _reason(error: Any) -> str:
    """What the hub says in its answer, cut."""
    try:
        said = error.response.json()["Message"]
    except (ValueError, KeyError, TypeError):
        said = error.response.reason
    return visible(str(said or "without a reason"), _MOST_OF_A_REASON)
