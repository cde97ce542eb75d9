from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import make_certificates
from tests.integration.agent.device_certificates import DeviceAuthority
from tests.integration.iothub.conftest import Hub, run_hub
from tests.unit.agent.content_server import ContentServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AGENT_FOLDER = Path(__file__).parents[3] / "agent"
if str(AGENT_FOLDER) not in sys.path:
    sys.path.insert(0, str(AGENT_FOLDER))


@pytest.fixture(scope="session")
async def agent_hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    folder = tmp_path_factory.mktemp("agent-hub")
    async with run_hub(make_certificates(folder / "tls"), folder / "state") as hub:
        yield hub


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
