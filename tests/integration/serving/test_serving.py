from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.certificates import Certificates, make_certificates
from tests.processes import Server, start_server

if TYPE_CHECKING:
    from pathlib import Path

ECHO = "tests.integration.serving.echo_server"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def _answer(server: Server, certificates: Certificates) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url, ssl=certificates.client_context()) as response,
    ):
        return await response.text()


async def test_server_answers_over_tls_and_ends_well_at_sigterm(certificates: Certificates) -> None:
    async with start_server(ECHO, *certificates.serving_arguments) as server:
        assert await _answer(server, certificates) == "here"
        assert await server.stop() == 0


async def test_server_ends_when_its_leash_is_loosened(certificates: Certificates) -> None:
    async with start_server(ECHO, *certificates.serving_arguments) as server:
        assert await server.loosen_leash() == 0


async def test_server_keeps_its_port_over_a_crash_when_the_socket_is_inherited(
    certificates: Certificates,
) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        arguments = (*certificates.serving_arguments, "--socket-fd", str(sock.fileno()))

        for _ in range(2):
            async with start_server(ECHO, *arguments, pass_fds=[sock.fileno()]) as server:
                assert server.port == sock.getsockname()[1]
                assert await _answer(server, certificates) == "here"
                await server.kill()


async def test_server_names_the_certificate_it_cannot_read(
    certificates: Certificates, tmp_path: Path
) -> None:
    arguments = ("--tls-cert", tmp_path / "none.pem", "--tls-key", certificates.key)

    with pytest.raises(AssertionError, match=r"none\.pem"):
        async with start_server(ECHO, *arguments):
            pass
