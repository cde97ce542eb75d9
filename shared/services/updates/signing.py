"""Signs update manifests with the key that the keyring names."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from shared.domain.errors import DependencyFailed
from shared.domain.updates.keyring import KEYRING, Keyring, SignatureRecord
from shared.domain.updates.update_id import UpdateId
from shared.ports import AcceptedPackages, Blobs, Clock, Signer, Updates
from shared.services.retrying import retry_on_conflict

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Signing:
    """Reads the keyring each time, so that a new edition counts at once and everywhere."""

    updates: Updates
    blobs: Blobs
    signer: Signer
    clock: Clock
    accepted: AcceptedPackages
    _checked: str = field(default="", init=False)

    async def keyring(self) -> Keyring:
        """The keyring in force. What devices would refuse is not, neither to sign nor to serve.

        Raises:
            DependencyFailed: There is none, it cannot be read, or devices would refuse its root key
                package.
        """
        raw = await self.blobs.read("manifests", KEYRING)
        if raw is None:
            raise DependencyFailed(
                f"There is no keyring; publish one as '{KEYRING}' in the container 'manifests'.",
                retryable=False,
            )
        try:
            keyring = msgspec.json.decode(raw, type=Keyring)
        except msgspec.DecodeError as error:
            raise DependencyFailed(f"The keyring is damaged: {error}.", retryable=False) from error
        await self._check_package(keyring.root_key_package)
        return keyring

    async def _check_package(self, package: str) -> None:
        """Check a root key package as a device does, and by the one that was accepted before."""
        from shared.contract.package_check import check_package
        from shared.contract.rootkeys import RootKeyError

        now = datetime.fromisoformat(self.clock.now()).timestamp()

        async def cycle() -> None:
            known = None if package == self._checked else await self.accepted.get()
            before = known.value if known else None
            check_package(package, before, now)
            if package not in (self._checked, before):
                await self.accepted.save(package, known.etag if known else None)

        try:
            await retry_on_conflict(cycle)
        except RootKeyError as error:
            log.exception("the root key package of the keyring is refused: %s", error.message)
            raise DependencyFailed(
                f"Devices would refuse the keyring's root key package: {error.message} "
                f"({error.erc:08X}). Publish one that they accept.",
                retryable=False,
            ) from error
        self._checked = package

    async def sign(self, manifest: str, asked_by: str) -> tuple[str, SignatureRecord]:
        """The signature of a manifest's exact text, and how it came to be.

        Raises:
            DependencyFailed: There is no signature that devices would accept.
        """
        # loads cryptography, which costs a cold start about 25 ms
        from shared.contract.encoding import b64
        from shared.contract.signature import compose, signing_input

        keyring = await self.keyring()
        signed = signing_input(keyring.sjwk, manifest)
        digest = hashlib.sha256(signed).digest()
        signature = compose(signed, await self.signer.sign(keyring.key, digest))
        _check(manifest, signature, keyring)
        return signature, SignatureRecord(
            edition=keyring.edition,
            kid=keyring.kid,
            key=keyring.key,
            root_key_version=keyring.root_key_version,
            manifest_sha256=b64(hashlib.sha256(manifest.encode()).digest()),
            signed_at=self.clock.now(),
            asked_by=asked_by,
        )

    async def renew(
        self, instance: str, update_id: UpdateId, *, signed_by: int | None = None
    ) -> bool:
        """Sign a published update anew if an older edition signed it; whether it did.

        Args:
            instance: Whose update it is.
            update_id: Which one.
            signed_by: The edition that signed it, where that is known already.
        """
        keyring = await self.keyring()
        if signed_by is not None and signed_by >= keyring.edition:
            return False

        async def cycle() -> bool:
            stored = await self.updates.get(instance, update_id)
            if stored is None or stored.value.signature_edition >= keyring.edition:
                return False
            signature, record = await self.sign(
                stored.value.manifest, f"keyring {keyring.edition} by {keyring.changed_by}"
            )
            renewed = replace(stored.value, signature=signature, signature_record=record)
            await self.updates.save(instance, renewed, stored.etag)
            return True

        return await retry_on_conflict(cycle)


def _check(manifest: str, signature: str, keyring: Keyring) -> None:
    """Verify as a device with this keyring's root keys does, before one has to."""
    from shared.contract.rootkeys import RootKeyError, RootKeyStore, parse_root_key_package
    from shared.contract.signature import SignatureError, verify_update_manifest

    try:
        package = parse_root_key_package(keyring.root_key_package.encode())
        roots = {key.kid: key for key in package.root_keys}
        verify_update_manifest(manifest, signature, RootKeyStore(roots, package))
    except (RootKeyError, SignatureError) as error:
        raise DependencyFailed(
            f"Signing key '{keyring.kid}' ({keyring.key}) does not fit the keyring: "
            f"{error.message}.",
            retryable=False,
        ) from error
