"""The keyring as the service has it: in its storage, beside the queue that takes orders to re-sign.

This is all that an operator's tool needs of a service, on this machine or in Azure: the keyring is
replaced, guarded by its ETag, and the service signs anew with its own identity and adapters.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from odu_cli.keys import KeysError
from shared.domain.updates.keyring import KEYRING, Keyring
from shared.messages import Resign, encode
from shared.topology import Container

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

    from odu_cli.storage import ServiceStorage

_CONTAINER: Container = "manifests"


@dataclass(frozen=True, slots=True)
class Service:
    """One service, seen through its storage."""

    storage: ServiceStorage

    def read(self) -> tuple[Keyring, str] | None:
        """The keyring and its ETag; None before the first.

        Raises:
            KeysError: It cannot be read.
        """
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            with self._blob() as blob:
                download = blob.download_blob()
                keyring = msgspec.json.decode(download.readall(), type=Keyring)
                return keyring, download.properties.etag
        except ResourceNotFoundError:
            return None
        except (AzureError, msgspec.DecodeError) as error:
            raise KeysError(f"the keyring cannot be read: {error}") from error

    def publish(self, keyring: Keyring, etag: str | None) -> None:
        """Put a keyring in place of the one with the ETag; in place of none if that is None.

        Raises:
            KeysError: Devices would refuse it, somebody else changed it meanwhile, or it cannot be
                written.
        """
        found = self.read() if etag is not None else None
        check(keyring, found[0] if found else None)
        from azure.core import MatchConditions
        from azure.core.exceptions import (
            AzureError,
            ResourceExistsError,
            ResourceModifiedError,
        )

        guard: dict[str, Any] = {}
        if etag is not None:
            guard = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            with self._blob() as blob:
                blob.upload_blob(encoded(keyring), overwrite=etag is not None, **guard)
        except (ResourceExistsError, ResourceModifiedError):
            raise KeysError("the keyring was changed meanwhile; look at it and try again") from None
        except AzureError as error:
            raise KeysError(f"the keyring cannot be written: {error}") from error

    def order_resigning(self) -> None:
        """Have the service sign anew what an older edition of the keyring signed.

        Raises:
            KeysError: The order cannot be given.
        """
        from azure.core.exceptions import AzureError
        from azure.storage.queue import QueueClient

        message = Resign()
        try:
            if self.storage.connection_string is not None:
                queue = QueueClient.from_connection_string(
                    self.storage.connection_string, message.queue
                )
            else:
                queue = QueueClient(
                    self.storage.queues_url, message.queue, self.storage.credential()
                )
            with queue:
                content = base64.b64encode(encode(message)).decode()
                queue.send_message(content, time_to_live=-1)
        except AzureError as error:
            raise KeysError(
                f"the keyring is published, but the order to sign anew was not: {error}"
            ) from error

    def _blob(self) -> BlobClient:
        from azure.storage.blob import BlobClient

        if self.storage.connection_string is not None:
            return BlobClient.from_connection_string(
                self.storage.connection_string, _CONTAINER, KEYRING
            )
        return BlobClient(
            self.storage.content_url,
            _CONTAINER,
            KEYRING,
            credential=self.storage.credential(),
        )


def check(keyring: Keyring, before: Keyring | None) -> None:
    """Refuse a keyring whose root key package or signing key devices would refuse.

    Args:
        keyring: The one to publish.
        before: The one in force.

    Raises:
        KeysError: They would.
    """
    from shared.contract.package_check import check_package, check_signing_key
    from shared.contract.rootkeys import RootKeyError
    from shared.contract.signature import SignatureError

    known = before.root_key_package if before is not None else None
    try:
        check_signing_key(keyring.sjwk, check_package(keyring.root_key_package, known, time.time()))
    except (RootKeyError, SignatureError) as error:
        raise KeysError(
            f"devices would refuse this keyring: {error.message} ({error.erc:08X})"
        ) from error


def encoded(keyring: Keyring) -> bytes:
    """The keyring as it is stored."""
    return msgspec.json.format(msgspec.json.encode(keyring), indent=1)
