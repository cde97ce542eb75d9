"""A world that signs with real keys."""

from __future__ import annotations

from typing import Any

from odu_cli.keys.service import encoded
from shared import messages
from shared.domain.updates.keyring import KEYRING, Keyring
from tests.signing import (
    KeySigner,
    a_keyring,
)
from tests.unit.services.world import World

MANIFEST = '{"manifestVersion":"5"}'


class KeyWorld(World):
    """A world that signs with real keys, and where the signing key changes."""

    def ports(self) -> Any:
        ports = super().ports()
        ports.signer = self.faults.around(KeySigner())
        return ports

    def rebuild(self) -> None:
        super().rebuild()
        del self.services.updates.signing  # that of the service, over the signer above
        self.signing = self.services.updates.signing
        self.resign = self.services.updates.resign
        self.use(a_keyring())

    def use(self, keyring: Keyring) -> None:
        self.blobs.put("manifests", KEYRING, encoded(keyring))
        self.keyring = keyring

    async def change(self, keyring: Keyring) -> None:
        """An operator publishes a keyring and orders new signatures."""
        self.use(keyring)
        await self.queues.put(messages.Resign())
        await self.drain()

    def service_of(self, device: str) -> Any:
        return self.hub.twins[device, None].desired["deviceUpdate"]["service"]
