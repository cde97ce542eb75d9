"""Get the files of an update to where its steps look for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .fetching import DownloadError, Wanted

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from .contract.manifest import ManifestFile
    from .fetching import Fetcher


@dataclass(frozen=True)
class WantedFile:
    """A file of the manifest and the path where it is to be."""

    file_id: str
    file: ManifestFile
    path: Path


@dataclass(frozen=True)
class Content:
    """Where the files of one deployment come from.

    Attributes:
        urls: By file id.
        downloader: Fetches and checks.
        cancelled: Set to stop it.
    """

    urls: Mapping[str, str]
    downloader: Fetcher
    cancelled: threading.Event

    def fetch(self, *wanted: WantedFile) -> None:
        """Have files at their paths, each with its hash.

        Raises:
            DownloadError: One cannot be had.
            DownloadCancelledError: `cancelled` was set.
        """
        items = [Wanted(self._url(item), item.file, item.path) for item in wanted]
        for item in items:
            item.target.parent.mkdir(parents=True, exist_ok=True)
        self.downloader.fetch_all(items, self.cancelled)

    def _url(self, item: WantedFile) -> str:
        url = self.urls.get(item.file_id)
        if url is None:
            message = f"file {item.file_id:.64} has no address"
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, message)
        return url
