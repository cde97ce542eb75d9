"""The agent is a package of its own: make it importable as it is when installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.agent.content_server import ContentServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.agent.fake_hub import FakeHub

_AGENT = str(Path(__file__).parents[3] / "agent")
if _AGENT not in sys.path:
    sys.path.insert(0, _AGENT)


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        yield started


@pytest.fixture
async def hub() -> FakeHub:
    from tests.unit.agent.fake_hub import FakeHub  # it imports the agent

    return FakeHub()
