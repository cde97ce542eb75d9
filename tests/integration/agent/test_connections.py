"""Every way in which an agent becomes a device of a hub, against the hub stand-in over TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from odu_agent import AgentConfig
from odu_agent.connection import create_client, identity_source, tls_context
from odu_agent.hub import CredentialsError, HubError
from odu_agent.hub.identity import ClientCertificate
from odu_agent.hub.mqtt import MqttHubClient

from tests.integration.agent.device_certificates import DeviceAuthority
from tests.integration.agent.proxy import Proxy
from tests.integration.iothub.conftest import DEVICE_KEY, Hub
from tests.unit.agent.content_server import ContentServer

if TYPE_CHECKING:
    from pathlib import Path

from tests.builders.agent_connections import hub_config, installs


async def test_connection_string_with_a_port_needs_no_proxy(
    hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await hub.new_device("port")

    await installs(hub, name, hub_config(hub, name, tmp_path), server)


async def test_websockets(hub: Hub, server: ContentServer, tmp_path: Path) -> None:
    name = await hub.new_device("ws")

    await installs(hub, name, hub_config(hub, name, tmp_path, use_websockets=True), server)


async def test_self_signed_certificate_by_its_thumbprint(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    mine = authority.issue("x509-thumb")
    await hub.service(
        "create_device_with_x509", "x509-thumb", mine.thumbprint, mine.thumbprint, "enabled"
    )

    await installs(hub, "x509-thumb", _x509(hub, "x509-thumb", tmp_path, mine), server)


async def test_certificate_of_an_authority(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    await hub.service("create_device_with_certificate_authority", "x509-ca", "enabled")

    await installs(
        hub, "x509-ca", _x509(hub, "x509-ca", tmp_path, authority.issue("x509-ca")), server
    )


async def test_certificate_of_another_device_is_not_admitted(
    hub: Hub, authority: DeviceAuthority, tmp_path: Path
) -> None:
    await hub.service("create_device_with_certificate_authority", "x509-other", "enabled")
    client = create_client(_x509(hub, "x509-other", tmp_path, authority.issue("x509-thief")))

    with pytest.raises(CredentialsError):
        await client.connect()


def _x509(hub: Hub, name: str, folder: Path, mine: Any) -> AgentConfig:
    return hub_config(
        hub,
        name,
        folder,
        connection_string=f"HostName={hub.host};DeviceId={name};x509=true",
        certificate=ClientCertificate(mine.certificate, mine.key),
    )


async def test_gateway_is_connected_to_in_the_name_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    name = await hub.new_device("nested")
    text = f"HostName=localhost;DeviceId={name};SharedAccessKey={DEVICE_KEY}"
    settings = hub_config(
        hub, name, tmp_path, connection_string=f"{text};GatewayHostName=127.0.0.1:{hub.server.port}"
    )
    client = create_client(settings)

    await client.connect()
    twin = await client.get_twin()
    await client.shutdown()

    assert "desired" in twin


async def test_gateway_with_a_foreign_certificate_is_not_trusted(hub: Hub, tmp_path: Path) -> None:
    name = await hub.new_device("nested")
    client = create_client(hub_config(hub, name, tmp_path, ca_file=None))

    with pytest.raises(ssl.SSLError):
        await client.connect()


@pytest.mark.parametrize("use_websockets", [False, True])
async def test_agent_behind_a_proxy_comes_back_whatever_the_proxy_answers(
    hub: Hub, server: ContentServer, tmp_path: Path, use_websockets: bool
) -> None:
    """A hub that restarts makes a proxy answer 502: that passes, and must be taken for it."""
    name = await hub.new_device("proxied")
    async with Proxy() as proxy:
        settings = hub_config(
            hub, name, tmp_path, proxy=("127.0.0.1", proxy.port), use_websockets=use_websockets
        )
        client = _quick_client(settings)
        sections: asyncio.Queue[Any] = asyncio.Queue()
        client.on_twin_desired_properties_patch_received = sections.put
        await client.connect()
        proxy.answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        proxy.drop_all()
        await proxy.refused(3)
        proxy.answer = None
        section = await asyncio.wait_for(sections.get(), 60)
        await client.shutdown()

    assert "$metadata" in section, "the whole section, for patches may have been missed"
    assert proxy.targets[0] == f"localhost:{hub.server.port}"


async def test_token_is_renewed_before_it_expires(hub: Hub, tmp_path: Path) -> None:
    name = await hub.new_device("renewed")
    client = _quick_client(hub_config(hub, name, tmp_path), token_seconds=4)
    sections: asyncio.Queue[Any] = asyncio.Queue()
    client.on_twin_desired_properties_patch_received = sections.put
    await client.connect()

    for _ in range(2):
        await asyncio.wait_for(sections.get(), 60)
    await client.patch_twin_reported_properties({"still": "here"})
    await client.shutdown()


async def test_report_waits_for_the_connection_that_is_being_opened(
    hub: Hub, tmp_path: Path
) -> None:
    name = await hub.new_device("waits")
    client = _quick_client(hub_config(hub, name, tmp_path))
    await client.connect()
    await hub.faults(dropConnections=True)

    async def reported() -> None:
        while True:
            try:
                await client.patch_twin_reported_properties({"a": 1})
            except HubError:
                continue
            return

    await asyncio.wait_for(reported(), 60)
    await client.shutdown()
    twin = await hub.service("get_twin", name)
    assert twin.properties.reported["a"] == 1


def _quick_client(settings: AgentConfig, **options: Any) -> MqttHubClient:
    return MqttHubClient(
        identity_source(settings),
        lambda certificate: tls_context(settings.ca_file, certificate),
        proxy=settings.proxy,
        use_websockets=settings.use_websockets,
        first_wait_seconds=0.05,
        **options,
    )
