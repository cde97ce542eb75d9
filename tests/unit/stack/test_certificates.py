from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from local.stack.certificates import ServerCertificate, ensure_certificates
from local.stack.errors import StackError
from local.stack.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path)


def shake_hands(files: ServerCertificate, ca: Path, name: str) -> None:
    """Do a TLS handshake in memory, with the strictest verification that OpenSSL has."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_certificate_is_trusted_for_every_loopback_name(state: StateDirectory, name: str) -> None:
    shake_hands(ensure_certificates(state), state.ca, name)


def test_certificate_is_refused_for_another_name(state: StateDirectory) -> None:
    files = ensure_certificates(state)

    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(files, state.ca, "example.com")


def test_authority_stays_when_certificates_are_made_again(state: StateDirectory) -> None:
    first = ensure_certificates(state)
    authority, certificate = state.ca.read_bytes(), first.certificate.read_bytes()

    second = ensure_certificates(state)

    assert state.ca.read_bytes() == authority
    assert second.certificate.read_bytes() != certificate
    shake_hands(second, state.ca, "localhost")


def test_keys_can_be_read_by_their_owner_only(state: StateDirectory) -> None:
    ensure_certificates(state)

    assert {path.stat().st_mode & 0o077 for path in state.path.iterdir()} == {0}


def test_a_damaged_authority_is_named(state: StateDirectory) -> None:
    ensure_certificates(state)
    state.ca.write_text("nonsense")

    with pytest.raises(StackError, match="certificate authority"):
        ensure_certificates(state)
