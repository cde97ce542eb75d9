"""New signing keys, where the service finds them: in a folder or in an Azure Key Vault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import rsa

from odu_cli.keys import KeysError
from odu_cli.keys.roots import write_key

SIGNING_KEY_BITS = 3072


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key: its id for devices, its name for the service, its public half."""

    kid: str
    name: str
    public_key: rsa.RSAPublicKey


class KeyStore(Protocol):
    """Where the service's signing keys are."""

    def create(self, kid: str) -> SigningKey:
        """Make a new key.

        Raises:
            KeysError: It cannot be made.
        """


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """Keys as PEM files."""

    folder: Path

    def create(self, kid: str) -> SigningKey:
        """See `KeyStore`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, SIGNING_KEY_BITS)
        name = f"{kid}.pem"
        write_key(self.folder / name, key)
        return SigningKey(kid, name, key.public_key())


@dataclass(frozen=True, slots=True)
class KeyVault:
    """Keys of an Azure Key Vault: each new one is the next version of one key, made in the vault.

    `credential` makes the operator's identity; `options` are further ones of the SDK's client.
    """

    url: str
    credential: Callable[[], Any]
    key_name: str
    options: dict[str, Any]

    def create(self, kid: str) -> SigningKey:
        """See `KeyStore`."""
        from azure.core.exceptions import AzureError
        from azure.keyvault.keys import KeyClient, KeyOperation

        try:
            with KeyClient(self.url, self.credential(), **self.options) as client:
                made = client.create_rsa_key(
                    self.key_name,
                    size=SIGNING_KEY_BITS,
                    key_operations=[KeyOperation.sign, KeyOperation.verify],
                    tags={"kid": kid},
                )
        except AzureError as error:
            raise KeysError(f"no key could be made in {self.url}: {error}") from error
        numbers = rsa.RSAPublicNumbers(
            int.from_bytes(made.key.e, "big"),  # type: ignore[attr-defined]
            int.from_bytes(made.key.n, "big"),  # type: ignore[attr-defined]
        )
        version = made.properties.version
        return SigningKey(kid, f"{self.key_name}/{version}", numbers.public_key())


class NoKeyStore:
    """For changes that need no new key."""

    def create(self, kid: str) -> SigningKey:
        """See `KeyStore`."""
        raise KeysError("no key vault is given")
