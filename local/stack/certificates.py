"""The stack's own certificate authority and the server certificate that all its servers use.

The authority is made once and kept, so that devices and browsers trust the stack across restarts.
The server certificate is made anew at each start and so never runs out in a state that is used.
Extensions follow RFC 5280 as strict verifiers (VERIFY_X509_STRICT of OpenSSL) demand them.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.stack.errors import StackError
from local.stack.state import StateDirectory, write_private

AUTHORITY_LIFETIME = datetime.timedelta(days=3650)
SERVER_LIFETIME = datetime.timedelta(days=397)
CLOCK_SKEW = datetime.timedelta(days=1)
SERVER_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """PEM files of the servers' certificate and of its private key."""

    certificate: Path
    key: Path


def ensure_certificates(state: StateDirectory) -> ServerCertificate:
    """Return a fresh server certificate; make the authority first if there is none.

    Raises:
        StackError: the files of the authority are damaged.
    """
    authority_key_file = state.path / "ca-key.pem"
    if not state.ca.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(authority_key_file, _private_pem(key))
        write_private(state.ca, _authority(key).public_bytes(serialization.Encoding.PEM))
    public = Path(certifi.where()).read_bytes()
    write_private(state.trust, public + state.ca.read_bytes())
    try:
        issuer = x509.load_pem_x509_certificate(state.ca.read_bytes())
        issuer_key = serialization.load_pem_private_key(authority_key_file.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise StackError(f"certificate authority in {state.path}: {error}") from error
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise StackError(f"{authority_key_file} is no elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    files = ServerCertificate(state.path / "server.pem", state.path / "server-key.pem")
    write_private(files.key, _private_pem(key))
    certificate = _server(key.public_key(), issuer, issuer_key)
    write_private(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Open Device Update local authority")
    return (
        _builder(name, name, key.public_key(), AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(_name("localhost"), issuer.subject, public_key, SERVER_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(SERVER_NAMES), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
