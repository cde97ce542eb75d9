"""Every way in which an agent becomes a device of a hub, against the hub stand-in over TLS."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from odu_agent import Agent, AgentConfig
from odu_agent.connection import create_client, identity_source, tls_context
from odu_agent.hub import CredentialsError, HubError
from odu_agent.hub.identity import ClientCertificate
from odu_agent.hub.mqtt import MqttHubClient

from local.cloud.provisioning.server import Enrollment, Provisioning, derived_key
from tests.certificates import make_certificates
from tests.integration.agent.device_certificates import DeviceAuthority
from tests.integration.agent.identity_service import HANDLE, identity_service
from tests.integration.agent.proxy import Proxy
from tests.integration.iothub.conftest import DEVICE_KEY, Hub, eventually, run_hub
from tests.unit.agent.content_server import ContentServer, serving
from tests.unit.agent.fixtures import QUICK, Update, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GROUP_KEY = base64.b64encode(b"g" * 32).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DeviceAuthority:
    return DeviceAuthority(tmp_path_factory.mktemp("device-ca"))


@pytest.fixture(scope="module")
async def hub(
    authority: DeviceAuthority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hub]:
    folder = tmp_path_factory.mktemp("x509-hub")
    certificates = make_certificates(folder / "tls")
    async with run_hub(
        certificates, folder / "state", "--device-ca", str(authority.file)
    ) as started:
        yield started


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        yield started


def _config(hub: Hub, device_id: str, folder: Path, **changes: Any) -> AgentConfig:
    members: dict[str, Any] = {
        "connection_string": _connection_string(hub, device_id),
        "ca_file": hub.certificates.authority,
    }
    return config(folder, **{**members, **changes})


def _connection_string(hub: Hub, device_id: str) -> str:
    return f"HostName={hub.host};DeviceId={device_id};SharedAccessKey={DEVICE_KEY}"


async def _installs(
    hub: Hub, name: str, settings: AgentConfig, server: ContentServer, *, patch: Any = None
) -> None:
    """Run an agent until its twin says that it has installed what it was told."""
    patch = patch or hub.patch
    service = Update(server).service(f"w-{name}")
    await patch(name, desired={"deviceUpdate": {"__t": "c", "service": service}})
    async with _running(Agent(settings, limits=QUICK)):
        await _reports(hub, name, f"w-{name}")


async def _reports(hub: Hub, name: str, workflow_id: str) -> None:
    async def is_done() -> bool:
        twin = await hub.service("get_twin", name)
        agent = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
        return agent.get("state") == 0 and agent.get("workflow", {}).get("id") == workflow_id

    async with asyncio.timeout(60):
        while True:
            try:
                await eventually(is_done)
            except TimeoutError:
                continue
            return


@asynccontextmanager
async def _running(agent: Agent) -> AsyncIterator[None]:
    running = asyncio.create_task(agent.run())
    try:
        yield
    finally:
        await agent.stop()
        await running


async def test_connection_string_with_a_port_needs_no_proxy(
    hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await hub.new_device("port")

    await _installs(hub, name, _config(hub, name, tmp_path), server)


async def test_websockets(hub: Hub, server: ContentServer, tmp_path: Path) -> None:
    name = await hub.new_device("ws")

    await _installs(hub, name, _config(hub, name, tmp_path, use_websockets=True), server)


async def test_self_signed_certificate_by_its_thumbprint(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    mine = authority.issue("x509-thumb")
    await hub.service(
        "create_device_with_x509", "x509-thumb", mine.thumbprint, mine.thumbprint, "enabled"
    )

    await _installs(hub, "x509-thumb", _x509(hub, "x509-thumb", tmp_path, mine), server)


async def test_certificate_of_an_authority(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    await hub.service("create_device_with_certificate_authority", "x509-ca", "enabled")

    await _installs(
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
    return _config(
        hub,
        name,
        folder,
        connection_string=f"HostName={hub.host};DeviceId={name};x509=true",
        certificate=ClientCertificate(mine.certificate, mine.key),
    )


@asynccontextmanager
async def _provisioning(
    hub: Hub, authority: DeviceAuthority, **enrollments: Enrollment
) -> AsyncIterator[tuple[Provisioning, str]]:
    sock = socket.create_server(("127.0.0.1", 0))
    context = hub.certificates.server_context()
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    service = Provisioning("0ne000A1B2C", enrollments)
    runner = await service.start(sock, context)
    try:
        yield service, f"localhost:{sock.getsockname()[1]}"
    finally:
        await runner.cleanup()


async def test_provisioning_with_a_symmetric_key_of_a_group(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    key = derived_key(GROUP_KEY, "reg-1")
    await hub.service("create_device_with_sas", "reg-1", key, key, "enabled")
    async with _provisioning(hub, authority, **{"reg-1": Enrollment(hub.host, "reg-1", key)}) as (
        service,
        endpoint,
    ):
        settings = _config(
            hub,
            "reg-1",
            tmp_path,
            connection_type="DPS",
            connection_string=f"IdScope={service.scope};RegistrationId=reg-1;SharedAccessKey={key}"
            f";GlobalEndpoint={endpoint}",
        )
        await _installs(hub, "reg-1", settings, server)
        again = await asyncio.to_thread(identity_source(settings).resolve)

    assert again.client_id == "reg-1"
    assert service.requests == ["reg-1"], "an assignment is kept over restarts"


async def test_provisioning_with_a_certificate(
    hub: Hub, server: ContentServer, authority: DeviceAuthority, tmp_path: Path
) -> None:
    mine = authority.issue("reg-2")
    await hub.service("create_device_with_certificate_authority", "reg-2", "enabled")
    async with _provisioning(hub, authority, **{"reg-2": Enrollment(hub.host, "reg-2")}) as (
        service,
        endpoint,
    ):
        settings = _config(
            hub,
            "reg-2",
            tmp_path,
            connection_type="DPS",
            connection_string=f"IdScope={service.scope};RegistrationId=reg-2;x509=true"
            f";GlobalEndpoint={endpoint}",
            certificate=ClientCertificate(mine.certificate, mine.key),
        )
        await _installs(hub, "reg-2", settings, server)


async def test_device_that_was_moved_is_provisioned_anew(
    hub: Hub, authority: DeviceAuthority, tmp_path: Path
) -> None:
    name, key = await hub.new_device("moved"), DEVICE_KEY
    enrollments = {"reg-3": Enrollment(hub.host, "nobody", key)}
    async with _provisioning(hub, authority, **enrollments) as (service, endpoint):
        client = create_client(
            _config(
                hub,
                name,
                tmp_path,
                connection_type="DPS",
                connection_string=f"IdScope={service.scope};RegistrationId=reg-3"
                f";SharedAccessKey={key};GlobalEndpoint={endpoint}",
            )
        )
        with pytest.raises(CredentialsError):
            await client.connect()
        service.enrollments["reg-3"] = Enrollment(hub.host, name, key)
        await client.connect()
        await client.shutdown()

    assert client.identity == (name, None)
    assert service.requests == ["reg-3", "reg-3"]


async def test_refused_registration_is_told(
    hub: Hub, authority: DeviceAuthority, tmp_path: Path
) -> None:
    async with _provisioning(hub, authority) as (service, endpoint):
        client = create_client(
            _config(
                hub,
                "none",
                tmp_path,
                connection_type="DPS",
                connection_string=f"IdScope={service.scope};RegistrationId=unknown"
                f";SharedAccessKey={DEVICE_KEY};GlobalEndpoint={endpoint}",
            )
        )
        with pytest.raises(CredentialsError, match="404"):
            await client.connect()


async def test_module_identity_of_the_identity_service(
    hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await hub.new_device("edge")
    key = base64.b64decode(DEVICE_KEY)
    await hub.service("create_module_with_sas", name, "updater", "", DEVICE_KEY, DEVICE_KEY)
    spec = {
        "hubName": hub.host,
        "gatewayHost": hub.host,
        "deviceId": name,
        "moduleId": "updater",
        "auth": {"type": "sas", "keyHandle": HANDLE},
    }
    async with identity_service(tmp_path, spec, key) as service:
        settings = _config(
            hub,
            name,
            tmp_path / "data",
            connection_type="AIS",
            connection_string="",
            identity_socket=service.identity_socket,
            key_socket=service.key_socket,
        )
        client = create_client(settings)
        await client.connect()
        twin = await client.get_twin()
        await client.shutdown()

    assert client.identity == (name, "updater")
    assert twin["desired"]["$version"] >= 1
    assert service.requests == ["/identities/identity?api-version=2020-09-01"]


async def test_identity_service_that_knows_no_such_user_says_what_to_do(tmp_path: Path) -> None:
    async with identity_service(tmp_path, {}, b"k") as service:
        service.status = 403
        settings = config(
            tmp_path,
            connection_type="AIS",
            identity_socket=service.identity_socket,
            key_socket=service.key_socket,
        )
        with pytest.raises(CredentialsError, match="principal"):
            await asyncio.to_thread(identity_source(settings).resolve)


async def test_gateway_is_connected_to_in_the_name_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    name = await hub.new_device("nested")
    text = f"HostName=localhost;DeviceId={name};SharedAccessKey={DEVICE_KEY}"
    settings = _config(
        hub, name, tmp_path, connection_string=f"{text};GatewayHostName=127.0.0.1:{hub.server.port}"
    )
    client = create_client(settings)

    await client.connect()
    twin = await client.get_twin()
    await client.shutdown()

    assert "desired" in twin


async def test_gateway_with_a_foreign_certificate_is_not_trusted(hub: Hub, tmp_path: Path) -> None:
    name = await hub.new_device("nested")
    client = create_client(_config(hub, name, tmp_path, ca_file=None))

    with pytest.raises(ssl.SSLError):
        await client.connect()


@pytest.mark.parametrize("use_websockets", [False, True])
async def test_agent_behind_a_proxy_comes_back_whatever_the_proxy_answers(
    hub: Hub, server: ContentServer, tmp_path: Path, use_websockets: bool
) -> None:
    """A hub that restarts makes a proxy answer 502: that passes, and must be taken for it."""
    name = await hub.new_device("proxied")
    async with Proxy() as proxy:
        settings = _config(
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
    client = _quick_client(_config(hub, name, tmp_path), token_seconds=4)
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
    client = _quick_client(_config(hub, name, tmp_path))
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
