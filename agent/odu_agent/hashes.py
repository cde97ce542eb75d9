"""The hash that a manifest names for a file."""

from __future__ import annotations

import hashlib
import hmac
from typing import IO, TYPE_CHECKING

from .contract.codes import Erc
from .contract.encoding import b64
from .fetching import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from .contract.manifest import ManifestFile

_ALGORITHMS = ("sha256", "sha384", "sha512")
_CHUNK_BYTES = 1024 * 1024


def expected_digest(file: ManifestFile) -> tuple[str, str]:
    """The first hash of the manifest, the one that counts: algorithm and digest.

    Raises:
        DownloadError: There is none, or of a kind that is not known.
    """
    for algorithm, digest in file.hashes.items():
        if algorithm.lower() not in _ALGORITHMS:
            raise DownloadError(
                Erc.DOWNLOAD_HASH_TYPE_UNSUPPORTED, f"unknown hash {algorithm!r:.20}"
            )
        return algorithm.lower(), digest
    raise DownloadError(Erc.DOWNLOAD_NO_HASHES, f"{file.file_name!r:.80} has no hash")


def matches(path: Path, expected: tuple[str, str]) -> bool:
    """Whether a file exists and has a hash."""
    try:
        with path.open("rb") as content:
            return Hashing(expected).feed_file(content).is_right()
    except FileNotFoundError:
        return False


class Hashing:
    """Counts a hash while bytes go by."""

    def __init__(self, expected: tuple[str, str]) -> None:
        algorithm, self._expected = expected
        self._hash = hashlib.new(algorithm)

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._hash.update(data)

    def feed_file(self, content: IO[bytes]) -> Hashing:
        """Take all that a file has from where it stands."""
        while data := content.read(_CHUNK_BYTES):
            self._hash.update(data)
        return self

    def is_right(self) -> bool:
        """Whether what went by has the expected hash."""
        actual = b64(self._hash.digest())
        return hmac.compare_digest(actual.encode(), self._expected.encode(errors="surrogatepass"))
