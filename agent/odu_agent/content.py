"""Get the files of an update to where its steps look for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .fetching import DownloadError, Wanted

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .contract.manifest import ManifestFile
    from .delta.sources import SourceCache
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
        sources: Files of former updates, for deltas; None where none are kept.
        notes: Codes that say why a file had to be fetched in full.
    """

    urls: Mapping[str, str]
    downloader: Fetcher
    cancelled: threading.Event
    sources: SourceCache | None = None
    notes: list[int] = field(default_factory=list)

    def fetch(self, *wanted: WantedFile) -> None:
        """Have files at their paths, each with its hash.

        Raises:
            DownloadError: One cannot be had.
            DownloadCancelledError: `cancelled` was set.
        """
        self._make_by_deltas(wanted)
        items = [Wanted(self._url(item), item.file, item.path) for item in wanted]
        for item in items:
            item.target.parent.mkdir(parents=True, exist_ok=True)
        self.downloader.fetch_all(items, self.cancelled)

    def keep(self, *wanted: WantedFile) -> None:
        """Keep files as sources of deltas to come; they are then no longer at their paths."""
        if self.sources is None:
            return
        for item in wanted:
            if item.path.exists():
                self.sources.keep(item.file, item.path)

    def _make_by_deltas(self, wanted: Sequence[WantedFile]) -> None:
        with_deltas = [item for item in wanted if item.file.related_files]
        if self.sources is None or not with_deltas:
            return
        from .delta.files import DeltaFiles

        files = DeltaFiles(self.sources, self.urls, self.downloader)
        for item in with_deltas:
            codes = files.make(item.file, item.path, self.cancelled)
            self.notes.extend(code for code in codes if code not in self.notes)

    def _url(self, item: WantedFile) -> str:
        url = self.urls.get(item.file_id)
        if url is None:
            message = f"file {item.file_id:.64} has no address"
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, message)
        return url
