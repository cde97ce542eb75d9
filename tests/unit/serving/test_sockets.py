from __future__ import annotations

import argparse
import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from local.cloud.serving import ServingError, add_serving_arguments, listening_socket

if TYPE_CHECKING:
    from pathlib import Path


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_serving_arguments(parser)
    return parser.parse_args(["--tls-cert", "c.pem", "--tls-key", "k.pem", *given])


def test_socket_is_bound_to_a_free_loopback_port() -> None:
    with listening_socket(_arguments()) as sock:
        address, port = sock.getsockname()

    assert address == "127.0.0.1"
    assert port > 0


def test_inherited_socket_is_used_and_not_passed_on() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as inherited:
        copy = os.dup(inherited.fileno())
        os.set_inheritable(copy, True)

        with listening_socket(_arguments("--socket-fd", str(copy))) as sock:
            assert sock.getsockname() == inherited.getsockname()
            assert not sock.get_inheritable()


def test_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ServingError, match="--socket-fd"):
        listening_socket(_arguments("--socket-fd", str(file.fileno())))


def test_port_that_is_taken_is_refused_by_name() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ServingError, match=f"--port {port}"):
            listening_socket(_arguments("--port", str(port)))
