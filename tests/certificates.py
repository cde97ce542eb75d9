"""A throw-away certificate authority with one server certificate for the loopback names."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.stack.certificates import ensure_certificates
from local.stack.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority's certificate, and the server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def serving_arguments(self) -> tuple[str, ...]:
        """The arguments that make a server of the local stack use the certificate."""
        return ("--tls-cert", str(self.certificate), "--tls-key", str(self.key))

    @property
    def trust(self) -> dict[str, str]:
        """Environment that makes Python's ssl module and `requests` trust the authority."""
        return {"SSL_CERT_FILE": str(self.authority), "REQUESTS_CA_BUNDLE": str(self.authority)}

    def client_context(self) -> ssl.SSLContext:
        """A client context that trusts nothing but the authority."""
        return ssl.create_default_context(cafile=str(self.authority))

    def server_context(self) -> ssl.SSLContext:
        """A server context, for servers that live inside a test."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a server certificate in a folder, as a local stack has them."""
    state = StateDirectory(folder)
    state.create()
    made = ensure_certificates(state)
    return Certificates(state.ca, made.certificate, made.key)
