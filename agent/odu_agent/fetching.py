"""Getting files for a deployment: what is wanted, who gets it, how that can end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from pathlib import Path

    from .contract.manifest import ManifestFile


class DownloadError(Exception):
    """A file could not be fetched; `erc` is what the device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


class DownloadCancelledError(Exception):
    """The download was asked to stop."""


class Wanted(NamedTuple):
    """A file, where it is and where it is to be."""

    url: str
    file: ManifestFile
    target: Path


class Fetcher(Protocol):
    """What gets files for a deployment."""

    def fetch_all(self, wanted: Sequence[Wanted], cancelled: threading.Event) -> None:
        """Put files at their targets, each with the hash of the manifest.

        Raises:
            DownloadError: One cannot be had.
            DownloadCancelledError: `cancelled` was set.
        """
