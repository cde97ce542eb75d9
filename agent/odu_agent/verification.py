"""Decide whether a deployment may be trusted and is meant for this device.

In order: root key package, signature, hash, manifest, own compatibility, version. Nothing of an
update is fetched and no handler is asked before all of them hold.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .contract.compatibility import unmet
from .contract.manifest import ManifestError, UpdateManifest, parse_update_manifest
from .contract.rootkeys import (
    RootKeyError,
    RootKeyPackage,
    RootKeyStore,
    check_successor,
    check_trustworthy,
    parse_root_key_package,
    validate,
)
from .contract.signature import SignatureError, verify_update_manifest
from .fetching import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .contract.rootkeys import RootKey
    from .download import Downloader
    from .state import DeviceState
    from .workflow import Command

logger = logging.getLogger(__name__)

_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|\+00:00)")
_MAXIMUM_PACKAGE_BYTES = 1024 * 1024


class VerificationError(Exception):
    """A deployment is refused; `erc` is what the device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


class Verifier:
    """Holds the root keys a device trusts, and checks commands with them.

    `clock` gives Unix seconds. Without a downloader it only takes packages over that it is given.
    """

    def __init__(
        self,
        hard_coded: Mapping[str, RootKey],
        state: DeviceState,
        downloader: Downloader | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._clock = clock
        self._downloader = downloader
        self._lock = threading.Lock()
        self.roots = RootKeyStore(hard_coded, _stored_package(hard_coded, state))

    def refresh_root_keys(self, url: str) -> Erc:
        """Fetch the root key package and take it over.

        Returns:
            The code to add to the next report: package changed or unchanged.

        Raises:
            VerificationError: It cannot be had or must not be trusted. The one in force stays.
        """
        assert self._downloader is not None, "this verifier is given packages"
        try:
            data = self._downloader.fetch_small(url, _MAXIMUM_PACKAGE_BYTES, self._is_acceptable)
        except DownloadError as error:
            raise VerificationError(Erc.PACKAGE_DOWNLOAD_FAILED, error.message) from None
        return self.take_over(data)

    def take_over(self, data: bytes) -> Erc:
        """Take over a root key package.

        Raises:
            VerificationError: It must not be trusted. The one in force stays.
        """
        with self._lock:
            return self._take_over(data)

    def verify(self, command: Command) -> UpdateManifest:
        """Check signature and hash of a command's manifest and read it.

        Raises:
            VerificationError: It must not be trusted or cannot be followed.
        """
        if not isinstance(command.signature, str) or not isinstance(command.manifest, str):
            raise VerificationError(
                Erc.MANIFEST_HASH_WRONG, "the deployment has no manifest text or no signature"
            )
        try:
            verify_update_manifest(command.manifest, command.signature, self.roots)
            return parse_update_manifest(command.manifest)
        except (SignatureError, ManifestError) as error:
            raise VerificationError(error.erc, error.message) from None

    def _is_acceptable(self, data: bytes) -> bool:
        """Whether a cache has given a package that is good, and no older than the one in force."""
        try:
            self._judge(data)
        except VerificationError as error:
            logger.info("root key package: %s", error.message)
            return False
        return True

    def _judge(self, data: bytes) -> RootKeyPackage:
        try:
            package = parse_root_key_package(data)
            validate(package, self.roots.hard_coded)
            check_trustworthy(package, self.roots.hard_coded)
            check_successor(package, self.roots.package, self._clock())
        except RootKeyError as error:
            raise VerificationError(error.erc, error.message) from None
        return package

    def _take_over(self, data: bytes) -> Erc:
        current, package = self.roots.package, self._judge(data)
        if package == current:
            return Erc.PACKAGE_UNCHANGED
        self._state.save_root_key_package(data)
        self.roots = self.roots.with_package(package)
        return Erc.PACKAGE_CHANGED


def check_compatibility(
    compatibility: Iterable[Mapping[str, str]], device_properties: Mapping[str, str]
) -> None:
    """Refuse an update none of whose compatibility sets describes this device.

    Raises:
        VerificationError: No set matches.
    """
    for wanted in compatibility:
        if wanted and not unmet(wanted, device_properties):
            return
    raise VerificationError(Erc.NOT_COMPATIBLE, "the update is not meant for this device")


def check_age(created: str, maximum_seconds: float, now: float | None = None) -> None:
    """Refuse an update that was signed long ago: `createdDateTime` is part of what was signed.

    Raises:
        VerificationError: It is too old, or does not say when it was made.
    """
    match = _DATE_TIME.fullmatch(created)
    if match is None:
        raise VerificationError(Erc.MANIFEST_TOO_OLD, "the update does not say when it was made")
    made = datetime.fromisoformat(match.group(1) + "+00:00").timestamp()
    if (time.time() if now is None else now) - made > maximum_seconds:
        raise VerificationError(
            Erc.MANIFEST_TOO_OLD, f"the update was made at {match.group(1)}, too long ago"
        )


def check_not_older(version: str, highest: str | None) -> None:
    """Refuse a version below the highest one installed.

    Raises:
        VerificationError: It is lower, or is no dotted number.
    """
    if highest is not None and version_key(version) < version_key(highest):
        raise VerificationError(Erc.DOWNGRADE_REFUSED, f"version {version} is older than {highest}")


def version_key(version: str) -> tuple[int, ...]:
    """Order dotted numbers; missing parts count as zero.

    Raises:
        VerificationError: Not two to four dotted numbers.
    """
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,10}){0,3}", version):
        raise VerificationError(Erc.UPDATE_ID_INVALID, "the version is no dotted number")
    parts = tuple(int(part) for part in version.split("."))
    return parts + (0,) * (4 - len(parts))


def _stored_package(hard_coded: Mapping[str, RootKey], state: DeviceState) -> RootKeyPackage | None:
    data = state.root_key_package()
    if data is None:
        return None
    try:
        package = parse_root_key_package(data)
        validate(package, hard_coded)
    except RootKeyError as error:
        logger.warning("the stored root key package is not used: %s", error.message)
        return None
    return package
