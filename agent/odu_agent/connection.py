"""The connection to the hub, by the Azure IoT device SDK."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from azure.iot.device import ProxyOptions
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient

from .contract.twin import MODEL_ID
from .reporting import SEND_ERRORS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .config import AgentConfig

logger = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
_TWIN_TIMEOUT_SECONDS = 60.0
_T = TypeVar("_T")


class HubClient(Protocol):
    """The part of the SDK's client that an agent uses."""

    on_twin_desired_properties_patch_received: Any

    async def connect(self) -> None:
        """Open the connection."""

    async def get_twin(self) -> dict[str, Any]:
        """Fetch both sections of the twin."""

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        """Merge into the reported section."""

    async def shutdown(self) -> None:
        """Close for good."""


def create_client(config: AgentConfig) -> HubClient:
    """Make the SDK's client for a device or module."""
    is_module = "ModuleId=" in config.connection_string
    kind = IoTHubModuleClient if is_module else IoTHubDeviceClient
    options: dict[str, Any] = {
        "product_info": MODEL_ID,
        "websockets": config.use_websockets,
    }
    if config.ca_file is not None:
        options["server_verification_cert"] = config.ca_file.read_text()
    if config.proxy is not None:
        host, port = config.proxy
        options["proxy_options"] = ProxyOptions("HTTP", host, port)  # type: ignore[no-untyped-call]
    client: HubClient = kind.create_from_connection_string(config.connection_string, **options)
    return client


async def open_connection(client: HubClient, on_patch: Callable[[Any], None]) -> dict[str, Any]:
    """Connect, listen to the desired section, and return the twin; tries until it works.

    Args:
        client: Not yet connected.
        on_patch: Called in the running loop with each patch of the desired section.
    """
    loop = asyncio.get_running_loop()

    async def forward(patch: Any) -> None:
        # The SDK calls from a loop of its own, in order.
        loop.call_soon_threadsafe(on_patch, patch)

    def listen() -> None:
        client.on_twin_desired_properties_patch_received = forward

    async def listen_and_get() -> dict[str, Any]:
        # Setting the handler blocks until the hub has taken the subscription.
        await asyncio.to_thread(listen)
        return await get_twin(client)

    await _until_it_works(client.connect)
    return await _until_it_works(listen_and_get)


async def get_twin(client: HubClient) -> dict[str, Any]:
    """Fetch the twin.

    Raises:
        TimeoutError: The hub did not answer; the SDK alone would wait for ever.
    """
    return await asyncio.wait_for(client.get_twin(), _TWIN_TIMEOUT_SECONDS)


async def _until_it_works(call: Callable[[], Awaitable[_T]]) -> _T:
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            return await call()
        except SEND_ERRORS as error:
            logger.warning("no connection to the hub: %s", type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
