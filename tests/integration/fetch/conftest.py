from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.builders.fetch_source import CANARY, Source, serve
from tests.certificates import Certificates, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("fetch"))


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async for each in serve():
        yield each


@pytest.fixture(autouse=True)
def no_canary(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    logged = [r for r in caplog.records if not r.name.startswith("aiohttp.access")]
    assert CANARY not in "\n".join(map(logging.Formatter().format, logged))
