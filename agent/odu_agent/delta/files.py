"""Make files of an update from deltas, where the device has a source."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..contract.codes import Erc
from ..fetching import DownloadCancelledError, DownloadError, Wanted
from ..hashes import expected_digest, matches
from . import HANDLER_ID
from .sources import ALGORITHM, SourceCache
from .zstd import DeltaError, apply_delta

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from ..contract.manifest import ManifestFile
    from ..fetching import Fetcher

logger = logging.getLogger(__name__)

_SOURCE_HASH = "microsoft.sourceFileHash"
_SOURCE_ALGORITHM = "microsoft.sourceFileHashAlgorithm"


@dataclass(frozen=True)
class DeltaFiles:
    """Makes files by deltas.

    Attributes:
        sources: What the device still has.
        urls: Of deltas, by file id.
        downloader: Fetches them.
    """

    sources: SourceCache
    urls: Mapping[str, str]
    downloader: Fetcher

    def make(self, file: ManifestFile, path: Path, cancelled: threading.Event) -> list[int]:
        """Make a file by the first of its deltas that works.

        Returns:
            Codes that say why deltas did not work; the file is there if none did not, and may be.

        Raises:
            DownloadCancelledError: `cancelled` was set.
        """
        if file.download_handler != HANDLER_ID or matches(path, expected_digest(file)):
            return []
        codes: list[int] = []
        for file_id, delta in file.related_files.items():
            try:
                self._apply(file, file_id, delta, path, cancelled)
            except (DeltaError, DownloadError) as error:
                logger.warning("delta for %s: %s", file.file_name, error)
                codes.append(error.erc)
            except OSError as error:
                logger.warning("delta for %s: %s", file.file_name, error.strerror)
                codes.append(Erc.DELTA_NOT_APPLIED)
            else:
                return codes
            if cancelled.is_set():
                raise DownloadCancelledError
        return codes

    def _apply(
        self,
        file: ManifestFile,
        file_id: str,
        delta: ManifestFile,
        path: Path,
        cancelled: threading.Event,
    ) -> None:
        source = self._source(delta)
        url = self.urls.get(file_id)
        if url is None:
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, f"file {file_id:.64} has no address")
        packed, made = path.with_name(f"{path.name}.delta"), path.with_name(f"{path.name}.made")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.downloader.fetch_all([Wanted(url, delta, packed)], cancelled)
            apply_delta(source, packed, made, file.size_in_bytes, cancelled)
            if not matches(made, expected_digest(file)):
                raise DeltaError(Erc.DELTA_RESULT_WRONG, "it makes another file")
            made.replace(path)
        finally:
            packed.unlink(missing_ok=True)
            made.unlink(missing_ok=True)

    def _source(self, delta: ManifestFile) -> Path:
        properties = delta.properties or {}
        digest, algorithm = properties.get(_SOURCE_HASH), properties.get(_SOURCE_ALGORITHM)
        if not isinstance(digest, str) or not digest or str(algorithm).lower() != ALGORITHM:
            raise DeltaError(Erc.DELTA_HASH_PROPERTIES_MISSING, "it does not name its source")
        source = self.sources.find(digest)
        if source is None:
            raise DeltaError(Erc.DELTA_CACHE_MISS, "its source is not on the device")
        return source
