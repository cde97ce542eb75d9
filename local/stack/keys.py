"""The keys of a stack: the ceremony at its first start, and the keyring that its service reads.

The directory has `roots/` (never read by the service; in production they are offline), `signing/`
(what the service signs with), `roots.json` (what agents are built with) and `keyring.json`.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import msgspec

from local.stack.errors import StackError
from local.stack.state import write_private
from odu_cli.keys import KeysError
from odu_cli.keys.changes import first
from odu_cli.keys.roots import Roots
from odu_cli.keys.service import Service, encoded
from odu_cli.keys.signing_keys import KeyFolder
from odu_cli.storage import ServiceStorage
from shared.domain.updates.keyring import KEYRING, Keyring

if TYPE_CHECKING:
    from pathlib import Path

ROOT_KIDS = ("ODU.LOCAL.R1", "ODU.LOCAL.R2")
SIGNING_KID = "ODU.LOCAL.S1"
ROOTS, SIGNING = "roots", "signing"


def ensure_keys(directory: Path) -> None:
    """Hold the ceremony unless the directory shows that it was completed."""
    if directory.exists():
        return
    unfinished = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    _hold_ceremony(unfinished)
    unfinished.rename(directory)


def _hold_ceremony(directory: Path) -> None:
    roots = Roots.generate(ROOT_KIDS)
    roots.save(directory / ROOTS)
    signing_key = KeyFolder(directory / SIGNING).create(SIGNING_KID)
    write_private(directory / KEYRING, encoded(first(roots, signing_key, "the first start")))
    write_private(directory / "roots.json", json.dumps(roots.built_in(), indent=2).encode())


def publish_keyring(directory: Path, storage: str) -> None:
    """Give the service the keyring; one that is not older stays.

    Args:
        directory: That of the keys.
        storage: Connection string of the storage account.

    Raises:
        StackError: The keyring is damaged, or the storage refuses it.
    """
    service = storage_of(storage)
    try:
        kept = msgspec.json.decode((directory / KEYRING).read_bytes(), type=Keyring)
        found = service.read()
        if found is None or _age(found[0]) < _age(kept):
            service.publish(kept, found[1] if found else None)
    except (OSError, msgspec.DecodeError, KeysError) as error:
        raise StackError(f"keyring in {directory}: {error}") from error


def storage_of(connection_string: str) -> Service:
    """A service whose state and content are in one storage account."""
    return Service(ServiceStorage(connection_string))


def _age(keyring: Keyring) -> tuple[int, int]:
    return keyring.edition, keyring.root_key_version
