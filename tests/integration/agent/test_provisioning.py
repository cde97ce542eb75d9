"""The agent finds its hub by the provisioning service and the identity service."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from odu_agent.connection import create_client, identity_source
from odu_agent.hub import CredentialsError
from odu_agent.hub.identity import ClientCertificate

from local.cloud.provisioning.server import Enrollment, Provisioning, derived_key
from tests.integration.agent.device_certificates import DeviceAuthority
from tests.integration.agent.identity_service import HANDLE, identity_service
from tests.integration.iothub.conftest import DEVICE_KEY, Hub
from tests.unit.agent.content_server import ContentServer
from tests.unit.agent.fixtures import config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

from tests.builders.agent_connections import hub_config, installs

GROUP_KEY = base64.b64encode(b"g" * 32).decode()


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
        settings = hub_config(
            hub,
            "reg-1",
            tmp_path,
            connection_type="DPS",
            connection_string=f"IdScope={service.scope};RegistrationId=reg-1;SharedAccessKey={key}"
            f";GlobalEndpoint={endpoint}",
        )
        await installs(hub, "reg-1", settings, server)
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
        settings = hub_config(
            hub,
            "reg-2",
            tmp_path,
            connection_type="DPS",
            connection_string=f"IdScope={service.scope};RegistrationId=reg-2;x509=true"
            f";GlobalEndpoint={endpoint}",
            certificate=ClientCertificate(mine.certificate, mine.key),
        )
        await installs(hub, "reg-2", settings, server)


async def test_device_that_was_moved_is_provisioned_anew(
    hub: Hub, authority: DeviceAuthority, tmp_path: Path
) -> None:
    name, key = await hub.new_device("moved"), DEVICE_KEY
    enrollments = {"reg-3": Enrollment(hub.host, "nobody", key)}
    async with _provisioning(hub, authority, **enrollments) as (service, endpoint):
        client = create_client(
            hub_config(
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
            hub_config(
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
        settings = hub_config(
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
