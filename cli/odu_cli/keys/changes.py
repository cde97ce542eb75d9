"""New editions of the keyring, made with the root keys: nothing here touches the service."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from odu_cli.keys import KeysError
from odu_cli.keys.roots import Roots
from odu_cli.keys.signing_keys import SigningKey
from shared.contract.rootkeys import parse_root_key_package, signing_key_hash
from shared.domain.updates.keyring import Keyring


def first(roots: Roots, key: SigningKey, by: str) -> Keyring:
    """The first keyring of a service."""
    return Keyring(
        edition=1,
        revoked_edition=0,
        kid=key.kid,
        key=key.name,
        sjwk=roots.vouch(key.public_key, key.kid),
        root_key_package=roots.package(1),
        key_hashes={key.kid: signing_key_hash(key.public_key)},
        changed_at=_now(),
        changed_by=by,
    )


def rotated(keyring: Keyring, roots: Roots, key: SigningKey, by: str) -> Keyring:
    """The keyring with a new signing key; the one before it stays good.

    Raises:
        KeysError: The root keys are not those of the keyring's package, or the id was used before.
    """
    _check_roots(keyring, roots)
    if key.kid in keyring.key_hashes:
        raise KeysError(f"there was a signing key {key.kid} before; choose another id")
    return replace(
        keyring,
        edition=keyring.edition + 1,
        kid=key.kid,
        key=key.name,
        sjwk=roots.vouch(key.public_key, key.kid),
        key_hashes={**keyring.key_hashes, key.kid: signing_key_hash(key.public_key)},
        changed_at=_now(),
        changed_by=by,
    )


def revoked(
    keyring: Keyring, roots: Roots, kid: str, successor: SigningKey | None, by: str
) -> Keyring:
    """The keyring with a signing key disabled.

    Args:
        keyring: The one in force.
        roots: The root keys.
        kid: The key to disable.
        successor: The key to sign with from now on, if `kid` is the one in force.
        by: Who does it.

    Raises:
        KeysError: There is no such key, or it is disabled already.
    """
    _check_roots(keyring, roots)
    if kid not in keyring.key_hashes:
        known = ", ".join(sorted(keyring.key_hashes))
        raise KeysError(f"there is no signing key {kid}; there are {known}")
    package = parse_root_key_package(keyring.root_key_package.encode())
    disabled = [entry.hash for entry in package.disabled_signing_keys]
    if keyring.key_hashes[kid] in disabled:
        raise KeysError(f"signing key {kid} is revoked already")
    changed = keyring
    if successor is not None:
        changed = rotated(keyring, roots, successor, by)
        changed = replace(changed, revoked_edition=changed.edition)
    return replace(
        changed,
        root_key_package=roots.package(
            package.version + 1, [*disabled, keyring.key_hashes[kid]], package.expires
        ),
        changed_at=_now(),
        changed_by=by,
    )


def refreshed(keyring: Keyring, roots: Roots, expires: int | None, by: str) -> Keyring:
    """The keyring with a root key package that says the same for longer.

    Args:
        keyring: The one in force.
        roots: The root keys.
        expires: Until when devices take it, in Unix seconds; None for ever.
        by: Who does it.

    Raises:
        KeysError: The root keys are not those of the keyring's package.
    """
    _check_roots(keyring, roots)
    package = parse_root_key_package(keyring.root_key_package.encode())
    disabled = [entry.hash for entry in package.disabled_signing_keys]
    return replace(
        keyring,
        root_key_package=roots.package(package.version + 1, disabled, expires),
        changed_at=_now(),
        changed_by=by,
    )


def disabled_kids(keyring: Keyring) -> set[str]:
    """The ids of the revoked signing keys."""
    package = parse_root_key_package(keyring.root_key_package.encode())
    hashes = {entry.hash for entry in package.disabled_signing_keys}
    return {kid for kid, value in keyring.key_hashes.items() if value in hashes}


def next_kid(keyring: Keyring) -> str:
    """The id of the signing key to come: that of the newest with its number raised."""
    stem, number = re.fullmatch(r"(.*?)(\d*)", keyring.kid).groups()  # type: ignore[union-attr]
    count = int(number or 1)
    while f"{stem}{count}" in keyring.key_hashes:
        count += 1
    return f"{stem}{count}"


def _check_roots(keyring: Keyring, roots: Roots) -> None:
    """Devices accept a package only if all the roots that they were built with signed it."""
    package = parse_root_key_package(keyring.root_key_package.encode())
    numbers = {root.kid: root.public_key().public_numbers() for root in package.root_keys}
    given = {kid: key.public_key().public_numbers() for kid, key in roots.keys.items()}
    if numbers != given:
        raise KeysError(
            f"the root keys given ({', '.join(given)}) are not those of the keyring "
            f"({', '.join(numbers)})"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
