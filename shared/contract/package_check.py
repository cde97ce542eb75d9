"""Whether a root key package may be served: checked as every device will that takes it over.

Who serves packages does not know which roots a device was built with, so every root of the package
must have signed it, each alone.
"""

from __future__ import annotations

from .codes import Erc
from .rootkeys import (
    RootKeyError,
    RootKeyPackage,
    RootKeyStore,
    check_successor,
    check_trustworthy,
    parse_root_key_package,
    validate,
)
from .signature import verify_signing_key


def check_package(text: str, before: str | None, now: float) -> RootKeyPackage:
    """Let a package pass that is to be served, or refuse it.

    Args:
        text: The package.
        before: The one that devices were given before; None if there was none.
        now: In Unix seconds.

    Raises:
        RootKeyError: A device would refuse it, or it trusts again what the one before did not.
    """
    package = parse_root_key_package(text.encode())
    roots = {key.kid: key for key in package.root_keys}
    validate(package, roots)
    check_trustworthy(package, roots)
    current = parse_root_key_package(before.encode()) if before is not None else None
    check_successor(package, current, now)
    if current is not None:
        dropped = {*current.disabled_root_keys} - {*package.disabled_root_keys}
        dropped |= {
            entry.hash
            for entry in current.disabled_signing_keys
            if entry not in package.disabled_signing_keys
        }
        if dropped:
            raise RootKeyError(
                Erc.PACKAGE_ROLLED_BACK,
                f"root key package {package.version} trusts again what {current.version} disables: "
                + ", ".join(sorted(dropped)),
            )
    return package


def check_signing_key(sjwk: str, package: RootKeyPackage) -> None:
    """Let a signing key pass that devices with this package would trust.

    Raises:
        SignatureError: They would not.
    """
    roots = {key.kid: key for key in package.root_keys}
    verify_signing_key(sjwk, RootKeyStore(roots, package))
