"""Check who signed a sw-description, in the ways that SWUpdate signs: CMS, RSA and RSA-PSS.

CMS is left to the `openssl` program, for `cryptography` makes such signatures but checks none.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..contract.codes import Erc
from ..processes import Program, run, search_path
from . import ImageError

MAXIMUM_BYTES = 64 * 1024
METHODS = ("cms", "rsa", "rsa-pss", "none")
_SECONDS = 60


@dataclass(frozen=True)
class Trust:
    """Whom a device trusts.

    Attributes:
        method: One of `METHODS`; `none` relies on the signed update manifest alone.
        file: PEM of the certificate or authority (cms) or of the public key (rsa).
    """

    method: str
    file: Path | None = None

    def check(self, description: bytes, signature: bytes) -> None:
        """Check the signature of a sw-description.

        Raises:
            ImageError: It is not theirs.
        """
        if self.method == "none":
            return
        if self.file is None:
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, "signature.file is not set")
        if self.method == "cms":
            _check_cms(self.file, description, signature)
        else:
            _check_rsa(self.file, description, signature, is_pss=self.method == "rsa-pss")


def _check_cms(authority: Path, description: bytes, signature: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="odu-cms-") as name:
        folder = Path(name)
        (folder / "description").write_bytes(description)
        (folder / "signature").write_bytes(signature)
        arguments = ["openssl", "cms", "-verify", "-binary", "-inform", "DER"]
        arguments += ["-in", "signature", "-content", "description", "-out", "/dev/null"]
        # A device may start with a clock of 1970, and an image may be older than its certificate.
        arguments += ["-CAfile", str(authority.resolve()), "-purpose", "any", "-no_check_time"]
        environment = {"PATH": search_path(), "LC_ALL": "C"}
        try:
            completed = run(Program(arguments, environment, folder, _SECONDS))
        except FileNotFoundError:
            message = "CMS signatures are checked by the program openssl, which is not installed"
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, message) from None
    if not completed.is_success:
        raise _refused()


def _check_rsa(key_file: Path, description: bytes, signature: bytes, *, is_pss: bool) -> None:
    # Only devices with images pay for the import.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(key_file.read_bytes())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ImageError(Erc.IMAGE_NOT_CONFIGURED, f"{key_file.name} holds no RSA key")
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if is_pss:
        # Without AUTO, before `cryptography` 37, the salt must be the longest: openssl's -2.
        salt = getattr(padding.PSS, "AUTO", padding.PSS.MAX_LENGTH)
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    try:
        key.verify(signature, description, scheme, hashes.SHA256())
    except InvalidSignature:
        raise _refused() from None


def _refused() -> ImageError:
    message = "the sw-description is not signed by whom this device trusts"
    return ImageError(Erc.IMAGE_SIGNATURE, message)
