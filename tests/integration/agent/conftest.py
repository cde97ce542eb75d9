from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import make_certificates
from tests.integration.iothub.conftest import Hub, run_hub

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
