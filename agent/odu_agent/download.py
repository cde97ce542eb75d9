"""Fetch the files of an update: resumable, bounded, checked, several at once.

A file goes to a folder of its workflow under a name made of its id; the name in the manifest is
never used as a path here. Nothing beyond the size in the manifest is read, a server that trickles
is left, and a file counts only with the hash of the manifest.
"""

from __future__ import annotations

import logging
import shutil
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import HTTPError

from .contract.codes import Erc
from .fetching import DownloadCancelledError, DownloadError
from .hashes import expected_digest, matches
from .limits import DownloadLimits
from .pace import Bandwidth
from .routes import Routes, check_url
from .transfer import Interrupted, Transfer, check_answer, is_page, portal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .contract.manifest import ManifestFile
    from .fetching import Wanted
    from .routes import Route

logger = logging.getLogger(__name__)

__all__ = ["DownloadCancelledError", "DownloadError", "DownloadLimits", "Downloader"]

_CHUNK_BYTES = 64 * 1024
_SMALL_ATTEMPTS = 6
_SMALL_SECONDS = 150.0
"""No further attempt begins after that: the agent does nothing else meanwhile."""
_RESERVE_BYTES = 16 * 1024 * 1024
"""Left free on the file system: a full one breaks more than an update."""


class Downloader:
    """Fetches over http and https; one may serve many threads.

    Args:
        limits: Bounds.
        ca_file: PEM of authorities to trust besides the system's.
        cache: URL of a Connected Cache on the gateway.
        proxy: URL of an HTTP proxy.
    """

    def __init__(
        self,
        limits: DownloadLimits | None = None,
        ca_file: Path | None = None,
        *,
        cache: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._limits = limits or DownloadLimits()
        self._is_closed = threading.Event()
        self._bandwidth = Bandwidth(self._limits.bytes_per_second)
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        self._routes = Routes(context, cache=cache, proxy=proxy, connections=self._limits.parallel)

    def close(self) -> None:
        """Give up idle connections and further attempts."""
        self._is_closed.set()
        self._routes.close()

    def fetch(self, url: str, file: ManifestFile, target: Path, cancelled: threading.Event) -> None:
        """Put a file at `target`, going on where an earlier try stopped.

        Raises:
            DownloadError: It cannot be had, or is not the one of the manifest.
            DownloadCancelledError: `cancelled` was set.
        """
        digest = expected_digest(file)
        if cancelled.is_set():
            raise DownloadCancelledError
        target.parent.mkdir(parents=True, exist_ok=True)
        if matches(target, digest):
            return
        target.unlink(missing_ok=True)
        transfer = Transfer(
            self._routes.of(url),
            limits=self._limits,
            bandwidth=self._bandwidth,
            size=file.size_in_bytes,
            digest=digest,
            target=target,
        )
        try:
            transfer.run(cancelled)
        except DownloadError as error:
            raise DownloadError(error.erc, f"{file.file_name!r:.80}: {error.message}") from None
        transfer.partial.replace(target)
        transfer.discard()

    def fetch_all(self, wanted: Sequence[Wanted], cancelled: threading.Event) -> None:
        """Put files at their targets, several at once; the first that fails stops the others.

        Raises:
            DownloadError: One cannot be had, or there is no room for all of them.
            DownloadCancelledError: `cancelled` was set.
        """
        check_room(wanted)
        if len(wanted) == 1:
            self.fetch(*wanted[0], cancelled)
            return
        stop = _Stop(cancelled)
        with ThreadPoolExecutor(self._limits.parallel, thread_name_prefix="odu-fetch") as threads:
            results = [threads.submit(self._fetch_or_stop, item, stop) for item in wanted]
        errors = [error for error in (result.exception() for result in results) if error]
        # A file that was stopped because of another is not what failed.
        errors.sort(key=lambda error: isinstance(error, DownloadCancelledError))
        if errors:
            raise errors[0]

    def _fetch_or_stop(self, wanted: Wanted, stop: _Stop) -> None:
        try:
            self.fetch(*wanted, stop)
        except BaseException:
            stop.set()
            raise

    def fetch_small(
        self, url: str, maximum_bytes: int, is_right: Callable[[bytes], bool] = lambda _: True
    ) -> bytes:
        """Return a small document of unknown size.

        A server that is busy or slow is asked again for a while: it may be so because a whole fleet
        asks at this moment.

        Args:
            url: Its address.
            maximum_bytes: Most that it may have.
            is_right: Judges what a cache or proxy gives; the origin is asked for what is not right.

        Raises:
            DownloadError: It cannot be had or is larger.
        """
        check_url(url)
        deadline = time.monotonic() + _SMALL_SECONDS
        wait = self._limits.first_wait_seconds
        for attempt in range(1, _SMALL_ATTEMPTS + 1):
            try:
                return self._fetch_small_once(url, maximum_bytes, is_right)
            except (Interrupted, HTTPError) as error:
                is_last = attempt == _SMALL_ATTEMPTS or time.monotonic() + wait > deadline
                if is_last or self._is_closed.wait(wait):
                    raise _final(error) from None
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def _fetch_small_once(
        self, url: str, maximum_bytes: int, is_right: Callable[[bytes], bool]
    ) -> bytes:
        *others, origin = self._routes.of(url)
        for route in others:
            try:
                data = self._fetch_small_by(route, maximum_bytes)
            except (HTTPError, Interrupted, DownloadError) as error:
                # The error itself may name the link, which holds a signature.
                logger.info("the %s failed: %s", route.name, type(error).__name__)
            else:
                if is_right(data):
                    return data
                logger.info("what the %s gave is not used", route.name)
        return self._fetch_small_by(origin, maximum_bytes)

    def _fetch_small_by(self, route: Route, maximum_bytes: int) -> bytes:
        timeout = urllib3.Timeout(connect=self._limits.idle_seconds, read=self._limits.idle_seconds)
        deadline = time.monotonic() + self._limits.idle_seconds
        # What a cache has kept may have changed since.
        headers = {**route.pool.headers, "Cache-Control": "no-cache"}
        with route.pool.request(
            "GET",
            route.url,
            headers=headers,
            preload_content=False,
            timeout=timeout,
            redirect=False,
        ) as response:
            check_answer(response, (200,))
            data = _read_bounded(response, maximum_bytes, deadline)
            if is_page(response):
                raise portal("a web page")
            return data


def _final(error: Interrupted | HTTPError) -> DownloadError:
    if isinstance(error, Interrupted):
        return DownloadError(error.erc, str(error))
    message = f"the connection failed: {type(error).__name__}"
    return DownloadError(Erc.DOWNLOAD_EXCEPTION, message)


class _Stop(threading.Event):
    """Set by itself, or by the one who cancels."""

    def __init__(self, cancelled: threading.Event) -> None:
        super().__init__()
        self._cancelled = cancelled

    def is_set(self) -> bool:
        return super().is_set() or self._cancelled.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = 0.5 if end is None else min(0.5, end - time.monotonic())
            if left <= 0 or super().wait(left):
                break
        return self.is_set()


def check_room(wanted: Sequence[Wanted]) -> None:
    """Refuse to begin where there is no room for the end.

    Raises:
        DownloadError: The file system has too little space.
    """
    missing: dict[Path, int] = {}
    for _, file, target in wanted:
        folder = target.parent
        while not folder.exists():
            folder = folder.parent
        if not target.exists():
            partial = target.with_name(target.name + ".part")
            have = partial.stat().st_size if partial.exists() else 0
            missing[folder] = missing.get(folder, 0) + max(0, file.size_in_bytes - have)
    for folder, size in missing.items():
        free = shutil.disk_usage(folder).free
        if size and free - size < _RESERVE_BYTES:
            raise DownloadError(
                Erc.NO_SPACE, f"no space for {size} bytes: {free} are free in {folder}"
            )


def _read_bounded(response: urllib3.BaseHTTPResponse, maximum_bytes: int, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        data += chunk
        if len(data) > maximum_bytes:
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, f"more than {maximum_bytes} bytes")
        if time.monotonic() > deadline:
            raise Interrupted("the server is too slow", Erc.DOWNLOAD_TOO_SLOW)
    return bytes(data)
