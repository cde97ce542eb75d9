"""Get the files of an update to where its steps look for them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .download import DownloadError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from .contract.manifest import ManifestFile
    from .download import Downloader


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
    downloader: Downloader
    cancelled: threading.Event

    def fetch(self, *wanted: WantedFile) -> None:
        """Have files at their paths, each with its hash.

        Raises:
            DownloadError: One cannot be had.
            DownloadCancelledError: `cancelled` was set.
        """
        for item in wanted:
            url = self.urls.get(item.file_id)
            if url is None:
                message = f"file {item.file_id:.64} has no address"
                raise DownloadError(Erc.DOWNLOAD_INVALID_URL, message)
            item.path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(item.path.parent).free < item.file.size_in_bytes:
                raise DownloadError(Erc.NO_SPACE, f"no space for {item.file.size_in_bytes} bytes")
            self.downloader.fetch(url, item.file, item.path, self.cancelled)
