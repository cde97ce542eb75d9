"""The connection to the hub, as the settings describe it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .hub import PASSING_ERRORS, HubClient
from .hub.identity import FixedIdentity, identity_of
from .hub.mqtt import MqttHubClient, describe, waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from .config import AgentConfig
    from .hub.identity import ClientCertificate, IdentitySource

logger = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 1.0
_TWIN_TIMEOUT_SECONDS = 60.0
_T = TypeVar("_T")


def create_client(config: AgentConfig) -> HubClient:
    """Make the client of a device or module; to be called in the running loop."""
    return MqttHubClient(
        identity_source(config),
        partial(tls_context, config.ca_file),
        proxy=config.proxy,
        use_websockets=config.use_websockets,
        token_seconds=config.token_seconds,
    )


def identity_source(config: AgentConfig) -> IdentitySource:
    """What finds out who the device is.

    Raises:
        IdentityError: The connection data cannot be used.
    """
    if config.connection_type == "AIS":
        from .hub.identity_service import ServiceIdentity

        return ServiceIdentity(config.identity_socket, config.key_socket)
    if config.connection_type == "DPS":
        from .hub.provisioning import ProvisionedIdentity, registration_of

        return ProvisionedIdentity(
            registration_of(config.connection_string, config.certificate),
            config.data_folder / "provisioning.json",
            partial(tls_context, config.ca_file),
            config.proxy,
        )
    return FixedIdentity(identity_of(config.connection_string, config.certificate))


def tls_context(ca_file: Path | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """What outgoing TLS trusts, and what it shows.

    Raises:
        OSError: A file cannot be read or holds no such thing (`ssl.SSLError`).
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context


async def open_connection(client: HubClient, on_patch: Callable[[Any], None]) -> dict[str, Any]:
    """Connect, listen to the desired section, and return the twin; tries until it works.

    Args:
        client: Not yet connected.
        on_patch: Called in the running loop with each patch of the desired section.
    """

    async def forward(patch: Any) -> None:
        on_patch(patch)

    client.on_twin_desired_properties_patch_received = forward
    await _until_it_works(client.connect)
    return await _until_it_works(lambda: get_twin(client))


async def get_twin(client: HubClient) -> dict[str, Any]:
    """Fetch the twin.

    Raises:
        asyncio.TimeoutError: The hub did not answer.
    """
    return await asyncio.wait_for(client.get_twin(), _TWIN_TIMEOUT_SECONDS)


async def _until_it_works(call: Callable[[], Awaitable[_T]]) -> _T:
    for wait in waits(_FIRST_WAIT_SECONDS):
        try:
            return await call()
        except PASSING_ERRORS as error:
            logger.warning("no connection to the hub: %s", describe(error))
            await asyncio.sleep(wait)
    raise AssertionError("the waits never end")
