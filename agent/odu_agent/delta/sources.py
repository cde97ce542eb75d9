"""Files of installed updates, kept by their hash as sources of deltas to come."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..contract.encoding import unb64
from ..handlers.settings import SettingError, Settings
from ..hashes import matches
from . import HANDLER_ID

if TYPE_CHECKING:
    from pathlib import Path

    from ..config import AgentConfig
    from ..contract.manifest import ManifestFile

logger = logging.getLogger(__name__)

ALGORITHM = "sha256"
_DEFAULT_MEGABYTES = 512
_SMALLEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class SourceCache:
    """A folder of files named by their hash; those used longest ago go first.

    Attributes:
        folder: Of this cache alone.
        maximum_bytes: Of all files together; 0 keeps none.
    """

    folder: Path
    maximum_bytes: int

    def find(self, digest: str) -> Path | None:
        """The file with a hash (standard base64), checked anew: it lay on the disk for long."""
        path = self._path(digest)
        if path is None or not path.exists():
            return None
        if not matches(path, (ALGORITHM, digest)):
            logger.warning("a source of deltas is damaged, and removed")
            path.unlink()
            return None
        os.utime(path)
        return path

    def keep(self, file: ManifestFile, path: Path) -> None:
        """Take over a file that is no longer needed elsewhere, if it is worth it and fits."""
        try:
            self._keep(file, path)
        except OSError as error:
            logger.warning("a source of deltas cannot be kept: %s", error.strerror)

    def _keep(self, file: ManifestFile, path: Path) -> None:
        target = self._path(file.hashes.get(ALGORITHM, ""))
        size = path.stat().st_size
        if target is None or not _SMALLEST_BYTES <= size <= self.maximum_bytes:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.replace(target)
        os.utime(target)
        self._purge()

    def _purge(self) -> None:
        files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > self.maximum_bytes:
                path.unlink()

    def _path(self, digest: str) -> Path | None:
        try:
            data = unb64(digest)
        except ValueError:
            return None
        return self.folder / data.hex() if len(data) == 32 else None


def load_source_cache(config: AgentConfig) -> SourceCache | None:
    """The cache that the settings ask for: `cacheMegabytes` (512) of `opendu/zstd-delta:1`."""
    settings = Settings(config.handler_settings.get(HANDLER_ID, {}), f"{HANDLER_ID}.")
    try:
        megabytes = settings.number("cacheMegabytes", _DEFAULT_MEGABYTES)
    except SettingError as error:
        # Deltas decide nothing: an update is not to fail for them.
        logger.warning("no sources of deltas are kept: %s", error)
        return None
    if not megabytes or config.simulator is not None:
        return None
    return SourceCache(config.data_folder / "sources", int(megabytes * 1024 * 1024))
