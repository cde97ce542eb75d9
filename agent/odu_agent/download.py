"""Fetch the files of an update: resumable, bounded, checked.

A file goes to a folder of its workflow under a name made of its id; the name in the manifest is
never used as a path here. Nothing beyond the size in the manifest is read, a server that trickles
is left, and a file counts only with the hash of the manifest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from .contract.codes import Erc
from .contract.encoding import b64

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from .contract.manifest import ManifestFile

_CHUNK_BYTES = 64 * 1024
_LONGEST_WAIT_SECONDS = 30.0
_SMALL_ATTEMPTS = 3
_ALGORITHMS = ("sha256", "sha384", "sha512")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class DownloadError(Exception):
    """A file could not be fetched; `erc` is what the device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


class DownloadCancelledError(Exception):
    """The download was asked to stop."""


@dataclass(frozen=True)
class DownloadLimits:
    """Bounds of one file's download.

    Attributes:
        timeout_seconds: For the whole file, all attempts together.
        idle_seconds: Without one byte; also the time-out of connecting.
        minimum_bytes_per_second: Averaged over `rate_window_seconds`.
        rate_window_seconds: How long a server may be slow.
        attempts: In a row without a byte gained.
        first_wait_seconds: Between attempts; doubles.
    """

    timeout_seconds: float = 8 * 3600
    idle_seconds: float = 30
    minimum_bytes_per_second: float = 128
    rate_window_seconds: float = 60
    attempts: int = 10
    first_wait_seconds: float = 0.5


class Downloader:
    """Fetches over http and https; one may serve many threads."""

    def __init__(self, limits: DownloadLimits | None = None, ca_file: Path | None = None) -> None:
        self._limits = limits or DownloadLimits()
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=2)

    def close(self) -> None:
        """Give up idle connections."""
        self._pool.clear()

    def fetch(self, url: str, file: ManifestFile, target: Path, cancelled: threading.Event) -> None:
        """Put a file at `target`, going on where an earlier try stopped.

        Raises:
            DownloadError: It cannot be had, or is not the one of the manifest.
            DownloadCancelledError: `cancelled` was set.
        """
        digest = _expected_digest(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _matches(target, digest):
            return
        target.unlink(missing_ok=True)
        transfer = _Transfer(self._pool, self._limits, url, file.size_in_bytes, target)
        transfer.run(cancelled)
        if not _matches(transfer.partial, digest):
            transfer.discard()
            raise DownloadError(
                Erc.DOWNLOAD_HASH_WRONG, f"{file.file_name!r:.80} does not have its hash"
            )
        transfer.partial.replace(target)
        transfer.discard()

    def fetch_small(self, url: str, maximum_bytes: int) -> bytes:
        """Return a small document of unknown size.

        Raises:
            DownloadError: It cannot be had or is larger.
        """
        _check_url(url)
        attempt = 1
        while True:
            try:
                return self._fetch_small_once(url, maximum_bytes)
            except HTTPError as error:
                if attempt == _SMALL_ATTEMPTS:
                    raise DownloadError(Erc.DOWNLOAD_EXCEPTION, _reason(error)) from None
            time.sleep(self._limits.first_wait_seconds * attempt)
            attempt += 1

    def _fetch_small_once(self, url: str, maximum_bytes: int) -> bytes:
        timeout = urllib3.Timeout(connect=self._limits.idle_seconds, read=self._limits.idle_seconds)
        deadline = time.monotonic() + self._limits.idle_seconds
        with self._pool.request(
            "GET", url, preload_content=False, timeout=timeout, redirect=False
        ) as response:
            _check_status(response, (200,))
            return _read_bounded(response, maximum_bytes, deadline)


class _Interrupted(Exception):
    """One attempt ended early; the next may go on."""


class _Transfer:
    """One file's way from a URL to a partial file, over as many attempts as it takes."""

    def __init__(
        self,
        pool: urllib3.PoolManager,
        limits: DownloadLimits,
        url: str,
        size: int,
        target: Path,
    ) -> None:
        _check_url(url)
        self._pool, self._limits, self._url, self._size = pool, limits, url, size
        self.partial = target.with_name(target.name + ".part")
        self._validator = target.with_name(target.name + ".etag")

    def discard(self) -> None:
        """Remove what was fetched so far."""
        self.partial.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def run(self, cancelled: threading.Event) -> None:
        """Fetch until the size is reached."""
        deadline = time.monotonic() + self._limits.timeout_seconds
        fruitless = 0
        while (before := self._have()) < self._size or not self.partial.exists():
            try:
                self._attempt(cancelled, deadline)
            except _Interrupted as error:
                fruitless = 0 if self._have() > before else fruitless + 1
                if fruitless >= self._limits.attempts:
                    raise DownloadError(Erc.DOWNLOAD_EXCEPTION, str(error)) from None
                self._pause(fruitless, cancelled)
        if self._have() > self._size:
            self.discard()
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, "the file is longer than its manifest says")

    def _have(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _pause(self, fruitless: int, cancelled: threading.Event) -> None:
        seconds = min(self._limits.first_wait_seconds * 2**fruitless, _LONGEST_WAIT_SECONDS)
        if cancelled.wait(seconds):
            raise DownloadCancelledError

    def _attempt(self, cancelled: threading.Event, deadline: float) -> None:
        headers = {"Accept-Encoding": "identity", **self._resume_headers()}
        timeout = urllib3.Timeout(connect=self._limits.idle_seconds, read=self._limits.idle_seconds)
        try:
            with self._pool.request(
                "GET",
                self._url,
                headers=headers,
                preload_content=False,
                timeout=timeout,
                redirect=False,
            ) as response:
                self._receive(response, cancelled, deadline)
        except LocationValueError:
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, "the address is no URL") from None
        except HTTPError as error:
            raise _Interrupted(_reason(error)) from None

    def _resume_headers(self) -> dict[str, str]:
        """Ask for the rest only of the very same content: that needs a strong validator."""
        if self._have() and self._validator.exists():
            return {"Range": f"bytes={self._have()}-", "If-Range": self._validator.read_text()}
        return {}

    def _receive(
        self, response: urllib3.BaseHTTPResponse, cancelled: threading.Event, deadline: float
    ) -> None:
        if response.status == 416:
            self.discard()
            raise _Interrupted("the server cannot go on with the file")
        if response.status >= 500 or response.status in (408, 429):
            raise _Interrupted(f"the server answered {response.status}")
        _check_status(response, (200, 206))
        offset = self._offset(response)
        self._check_length(response, offset)
        self._remember_validator(response)
        with self.partial.open("r+b" if offset else "wb") as output:
            output.truncate(offset)
            output.seek(offset)
            have, window = offset, _RateWindow(self._limits)
            while chunk := response.read1(_CHUNK_BYTES):
                have += len(chunk)
                if have > self._size:
                    output.close()
                    self.discard()
                    raise DownloadError(
                        Erc.DOWNLOAD_TOO_LONG, "the file is longer than its manifest says"
                    )
                output.write(chunk)
                if cancelled.is_set():
                    raise DownloadCancelledError
                window.count(len(chunk), deadline)
        if have < self._size:
            raise _Interrupted("the connection ended early")

    def _offset(self, response: urllib3.BaseHTTPResponse) -> int:
        if response.status == 200:
            return 0
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != self._have():
            self.discard()
            raise _Interrupted("the server sent another part than asked for")
        return int(match.group(1))

    def _check_length(self, response: urllib3.BaseHTTPResponse, offset: int) -> None:
        length = response.headers.get("Content-Length", "")
        if length and not _LENGTH.fullmatch(length):
            self.discard()
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, "the server offers an impossible length")
        if length and offset + int(length) != self._size:
            self.discard()
            is_long = offset + int(length) > self._size
            raise DownloadError(
                Erc.DOWNLOAD_TOO_LONG if is_long else Erc.DOWNLOAD_HASH_WRONG,
                f"the server offers {offset + int(length)} bytes instead of {self._size}",
            )

    def _remember_validator(self, response: urllib3.BaseHTTPResponse) -> None:
        etag = response.headers.get("ETag", "")
        if etag.startswith('"'):
            self._validator.write_text(etag)
        else:
            self._validator.unlink(missing_ok=True)


class _RateWindow:
    """Leaves a server that stays below the minimum rate, and any at the deadline."""

    def __init__(self, limits: DownloadLimits) -> None:
        self._limits = limits
        self._start, self._bytes = time.monotonic(), 0

    def count(self, received: int, deadline: float) -> None:
        """Take note of some bytes."""
        self._bytes += received
        now = time.monotonic()
        if now > deadline:
            raise DownloadError(Erc.DOWNLOAD_TOO_SLOW, "the download takes too long")
        elapsed = now - self._start
        if elapsed >= self._limits.rate_window_seconds:
            if self._bytes < elapsed * self._limits.minimum_bytes_per_second:
                raise DownloadError(Erc.DOWNLOAD_TOO_SLOW, "the server is too slow")
            self._start, self._bytes = now, 0


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise DownloadError(Erc.DOWNLOAD_INVALID_URL, "the address is no http or https URL")


def _check_status(response: urllib3.BaseHTTPResponse, accepted: tuple[int, ...]) -> None:
    if response.status not in accepted:
        raise DownloadError(Erc.DOWNLOAD_REFUSED, f"the server answered {response.status}")


def _read_bounded(response: urllib3.BaseHTTPResponse, maximum_bytes: int, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        data += chunk
        if len(data) > maximum_bytes:
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, f"more than {maximum_bytes} bytes")
        if time.monotonic() > deadline:
            raise DownloadError(Erc.DOWNLOAD_TOO_SLOW, "the server is too slow")
    return bytes(data)


def _reason(error: HTTPError) -> str:
    # The error's own text may hold the address with its signature.
    return f"the connection failed: {type(error).__name__}"


def _expected_digest(file: ManifestFile) -> tuple[str, str]:
    """The first hash of the manifest, the one that counts: algorithm and digest."""
    for algorithm, digest in file.hashes.items():
        if algorithm.lower() not in _ALGORITHMS:
            raise DownloadError(
                Erc.DOWNLOAD_HASH_TYPE_UNSUPPORTED, f"unknown hash {algorithm!r:.20}"
            )
        return algorithm.lower(), digest
    raise DownloadError(Erc.DOWNLOAD_NO_HASHES, f"{file.file_name!r:.80} has no hash")


def _digest(content: BinaryIO, algorithm: str) -> bytes:
    digest = hashlib.new(algorithm)
    buffer = memoryview(bytearray(1024 * 1024))
    while count := content.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
    return digest.digest()


def _matches(path: Path, expected: tuple[str, str]) -> bool:
    algorithm, digest = expected
    try:
        with path.open("rb") as content:
            actual = b64(_digest(content, algorithm))
    except FileNotFoundError:
        return False
    return hmac.compare_digest(actual.encode(), digest.encode(errors="surrogatepass"))
