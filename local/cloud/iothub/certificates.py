"""Devices that prove themselves by X.509.

TLS has verified that the certificate's chain ends at an authority of `--device-ca`. That holds for
self-signed devices too, of which the real hub looks at the thumbprint alone: Python's TLS can ask
for no certificate without verifying it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from local.cloud.iothub.errors import unauthorized

if TYPE_CHECKING:
    from local.cloud.iothub.records import Authentication, Key


def check_certificate(key: Key, authentication: Authentication, shown: bytes | None) -> float:
    """Check what a device has shown; return when it expires, in seconds since 1970.

    Raises:
        HubError: 401, no certificate or not the device's.
    """
    if shown is None:
        raise unauthorized("The device has to show a certificate.")
    certificate = x509.load_der_x509_certificate(shown)
    if authentication.type == "selfSigned":
        given = (
            authentication.x509_thumbprint.primary_thumbprint,
            authentication.x509_thumbprint.secondary_thumbprint,
        )
        if not any(_is_thumbprint(shown, text) for text in given if text):
            raise unauthorized("The certificate has none of the device's thumbprints.")
    elif common_name(certificate) != key.device_id:
        raise unauthorized("The certificate is for another device.")
    return certificate.not_valid_after_utc.timestamp()


def common_name(certificate: x509.Certificate) -> str:
    """The common name of the subject."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _is_thumbprint(certificate: bytes, text: str) -> bool:
    digests = (
        hashlib.sha256(certificate).hexdigest(),
        hashlib.sha1(certificate, usedforsecurity=False).hexdigest(),
    )
    given = text.replace(":", "").lower()
    return any(hmac.compare_digest(digest, given) for digest in digests)
