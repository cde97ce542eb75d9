"""Commands run against the stand-in, as against the local stack that it claims to be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from local.stack.running import Stack
from tests.certificates import Certificates, make_certificates
from tests.command_line import Ended, run
from tests.unit.cli.service import INSTANCE, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "a-token"


class Odu:
    """Runs commands with a state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state

    async def __call__(self, command: str, *arguments: str) -> Ended:
        """Run a command that needs the service, in a thread of its own."""
        return await asyncio.to_thread(run, command, *arguments, "--state", str(self.state))


def describe_stack(state: Path, endpoint: str, ca_file: str) -> None:
    """Write the description of a stack of which only the service is there."""
    blank = {str: "", str | None: None}
    known = {"endpoint": endpoint, "instance": INSTANCE, "ca_file": ca_file, "state": str(state)}
    fields = {each.name: blank.get(each.type, {}) for each in msgspec.structs.fields(Stack)}
    stack = msgspec.convert({**fields, **known}, Stack)
    (state / "stack.json").write_bytes(stack.to_json())


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("cli-certificates"))


@pytest.fixture
async def service(certificates: Certificates) -> AsyncIterator[Service]:
    async with Service(certificates.server_context()) as running:
        yield running


@pytest.fixture
def odu(
    service: Service,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Odu:
    for name in ("ODU_ENDPOINT", "ODU_INSTANCE", "ODU_SCOPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ODU_TOKEN", TOKEN)
    state = tmp_path / "state"
    state.mkdir()
    describe_stack(state, service.endpoint, str(certificates.authority))
    return Odu(state)
