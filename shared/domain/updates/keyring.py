"""The keyring: which key signs update manifests, and what tells devices to trust it.

It is public: private keys lie elsewhere. Operators publish a new edition to change the signing key,
so that neither a setting nor the deployed code has to change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

KEYRING = "keyring.json"
"""Name of the keyring's blob in the container `manifests`."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the service signs with.

    Attributes:
        edition: Rises by one with every change of the signing key.
        revoked_edition: The newest edition made because the key before it was revoked: what was
            signed earlier is refused by devices. 0 if there is none.
        kid: Id of the signing key.
        key: Which private key that is, for the signer: a file name, or `name/version` in a vault.
        sjwk: The signing key as a JWS under a root key.
        root_key_package: What devices fetch, the exact text.
        key_hashes: Every signing key there ever was, by id, named as the package disables it.
        changed_at: When this was written, ISO 8601 in UTC.
        changed_by: Who wrote it.
    """

    edition: int
    revoked_edition: int
    kid: str
    key: str
    sjwk: str
    root_key_package: str
    key_hashes: Mapping[str, str]
    changed_at: str
    changed_by: str

    @property
    def root_key_version(self) -> int:
        """Version of the root key package."""
        version: int = json.loads(self.root_key_package)["protected"]["version"]
        return version


@dataclass(frozen=True, slots=True)
class SignatureRecord:
    """How an update manifest came to be signed.

    `edition`, `kid` and `key` are those of the keyring, `manifest_sha256` is standard base64,
    `asked_by` is the import or the operator's change that the signature was made for.
    """

    edition: int
    kid: str
    key: str
    root_key_version: int
    manifest_sha256: str
    signed_at: str
    asked_by: str
