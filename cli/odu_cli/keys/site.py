"""What the commands about keys do: at one service, with its key store and the operator's roots."""

from __future__ import annotations

import getpass
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from odu_cli.keys import KeysError
from odu_cli.keys.changes import first, next_kid, refreshed, revoked, rotated
from odu_cli.keys.roots import Roots
from odu_cli.keys.service import Service, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odu_cli.keys.signing_keys import KeyStore, SigningKey
    from shared.domain.updates.keyring import Keyring

FIRST_KID = "update-signing-1"
_SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class KeySite:
    """Where everything is.

    `store` has the signing keys of the service, `roots` is the folder of the root keys, `copy` the
    file of a local stack that keeps the keyring when its storage is lost.
    """

    service: Service
    store: KeyStore
    roots: Path | None = None
    copy: Path | None = None

    def current(self) -> tuple[Keyring, str]:
        """The keyring and its ETag.

        Raises:
            KeysError: There is none yet.
        """
        found = self.service.read()
        if found is None:
            raise KeysError("the service has no keyring yet; see: keys create --help")
        return found

    def create(self, root_kids: Sequence[str], kid: str | None) -> tuple[SigningKey, Path]:
        """Hold the first ceremony; the signing key, and the file to build agents with.

        Args:
            root_kids: Root keys to make; none if the folder has them.
            kid: Id of the signing key.

        Raises:
            KeysError: There is a keyring already, or too few root keys.
        """
        folder = self._roots_folder()
        if self.service.read() is not None:
            raise KeysError("the service has a keyring; change it with rotate or revoke")
        if root_kids:
            if len(set(root_kids)) < 2:
                raise KeysError("make at least two root keys, so that losing one is no disaster")
            Roots.generate(root_kids).save(folder)
        roots = Roots.load(folder)
        key = self.store.create(kid or FIRST_KID)
        self.service.publish(first(roots, key, _operator()), None)
        built_in = folder / "roots.json"
        built_in.write_text(json.dumps(roots.built_in(), indent=2))
        return key, built_in

    def rotate(self, kid: str | None) -> SigningKey:
        """Sign with a new key from now on; the old one stays good.

        Raises:
            KeysError: It cannot be done.
        """
        keyring, etag = self.current()
        roots = Roots.load(self._roots_folder())
        key = self.store.create(kid or next_kid(keyring))
        self._publish(rotated(keyring, roots, key, _operator()), etag)
        return key

    def revoke(self, revoked_kid: str | None, kid: str | None) -> tuple[str, Keyring]:
        """Have devices refuse a key; the id of that key and the new keyring.

        Args:
            revoked_kid: The key; the one in use if None.
            kid: Id of the key in its place, if it was in use.

        Raises:
            KeysError: It cannot be done.
        """
        keyring, etag = self.current()
        roots = Roots.load(self._roots_folder())
        bad = revoked_kid or keyring.kid
        successor = self.store.create(kid or next_kid(keyring)) if bad == keyring.kid else None
        changed = revoked(keyring, roots, bad, successor, _operator())
        self._publish(changed, etag)
        return bad, changed

    def refresh(self, days: int | None) -> Keyring:
        """Publish the root key package anew, good for some days; for ever if None.

        Raises:
            KeysError: It cannot be done.
        """
        keyring, etag = self.current()
        expires = int(time.time()) + days * _SECONDS_OF_A_DAY if days is not None else None
        changed = refreshed(keyring, Roots.load(self._roots_folder()), expires, _operator())
        self._publish(changed, etag)
        return changed

    def _roots_folder(self) -> Path:
        if self.roots is None:
            raise KeysError("--roots DIR is needed")
        return self.roots

    def _publish(self, keyring: Keyring, etag: str) -> None:
        self.service.publish(keyring, etag)
        if self.copy is not None:
            fresh = self.copy.with_suffix(".new")
            fresh.write_bytes(encoded(keyring))
            fresh.replace(self.copy)
        self.service.order_resigning()


def _operator() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
