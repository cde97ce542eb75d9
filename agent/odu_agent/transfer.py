"""One file's way from a URL to a partial file, over as many attempts and ways as it takes.

The hash is counted while the bytes come, in a thread of its own; what an earlier run has left is
counted first.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from .contract.codes import Erc
from .fetching import DownloadCancelledError, DownloadError
from .hashes import Hashing
from .pace import RateWindow
from .state import open_private

if TYPE_CHECKING:
    from pathlib import Path

    from .limits import DownloadLimits
    from .pace import Bandwidth
    from .routes import Route

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_CHUNKS_AHEAD = 8
_LONGEST_WAIT_SECONDS = 30.0
_ATTEMPTS_BEFORE_NEXT_WAY = 2
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|body|meta|script)\b", re.IGNORECASE)
_NETWORK_AUTHENTICATION_REQUIRED = 511


_EXPIRED = ": the link has expired or was withdrawn; a retry brings a new one"
_GONE = ": the file is gone; import the update again"
_HINTS = {401: _EXPIRED, 403: _EXPIRED, 404: _GONE, 410: _GONE}


class Interrupted(Exception):
    """One attempt ended early; the next may go on."""

    def __init__(self, message: str, erc: int = Erc.DOWNLOAD_EXCEPTION) -> None:
        super().__init__(message)
        self.erc = erc


class Transfer:
    """Fetches one file.

    Args:
        routes: Ways to it, the best first.
        limits: Bounds.
        bandwidth: Shared with other transfers.
        size: Of the file.
        digest: Algorithm and digest of the file.
        target: Beside which the partial file lies.
    """

    def __init__(
        self,
        routes: list[Route],
        *,
        limits: DownloadLimits,
        bandwidth: Bandwidth,
        size: int,
        digest: tuple[str, str],
        target: Path,
    ) -> None:
        self._routes = routes
        self._limits = limits
        self._bandwidth = bandwidth
        self._size = size
        self._digest = digest
        self.partial = target.with_name(target.name + ".part")
        self._validator = target.with_name(target.name + ".etag")

    def discard(self) -> None:
        """Remove what was fetched so far."""
        self.partial.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def run(self, cancelled: threading.Event) -> None:
        """Have the whole file, with its hash, as the partial file.

        Raises:
            DownloadError: It cannot be had on any way.
            DownloadCancelledError: `cancelled` was set.
        """
        deadline = time.monotonic() + self._limits.timeout_seconds
        for position, route in enumerate(self._routes):
            is_last = position == len(self._routes) - 1
            attempts = self._limits.attempts if is_last else _ATTEMPTS_BEFORE_NEXT_WAY
            try:
                self._run(route, attempts, deadline, cancelled)
            except DownloadError as error:
                if is_last:
                    raise
                logger.warning("the %s failed: %s", route.name, error.message)
            else:
                return

    def _run(
        self, route: Route, attempts: int, deadline: float, cancelled: threading.Event
    ) -> None:
        fruitless = 0
        while True:
            before = self._have()
            try:
                if self._attempt(route, deadline, cancelled):
                    return
            except Interrupted as error:
                fruitless = 0 if self._have() > before else fruitless + 1
                if fruitless >= attempts:
                    raise DownloadError(error.erc, str(error)) from None
                self._pause(fruitless, cancelled)

    def _have(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _pause(self, fruitless: int, cancelled: threading.Event) -> None:
        seconds = min(self._limits.first_wait_seconds * 2**fruitless, _LONGEST_WAIT_SECONDS)
        if cancelled.wait(seconds):
            raise DownloadCancelledError

    def _attempt(self, route: Route, deadline: float, cancelled: threading.Event) -> bool:
        """Fetch what is missing; whether all of it has come."""
        have = self._have()
        if have > self._size:
            self.discard()
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, "the file is longer than its manifest says")
        if have == self._size and self.partial.exists():
            return self._is_whole()
        headers = {} if not have else self._resume_headers(have)
        timeout = urllib3.Timeout(connect=self._limits.idle_seconds, read=self._limits.idle_seconds)
        try:
            with route.pool.request(
                "GET",
                route.url,
                headers={**route.pool.headers, **headers},
                preload_content=False,
                timeout=timeout,
                redirect=False,
            ) as response:
                return self._receive(response, deadline, cancelled)
        except LocationValueError:
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, "the address is no URL") from None
        except HTTPError as error:
            # The error's own text may hold the address with its signature.
            raise Interrupted(f"the connection failed: {type(error).__name__}") from None

    def _is_whole(self) -> bool:
        with open_private(self.partial, "rb") as content:
            if Hashing(self._digest).feed_file(content).is_right():
                return True
        raise self._wrong_hash()

    def _resume_headers(self, have: int) -> dict[str, str]:
        """Ask for the rest only of the very same content: that needs a strong validator."""
        if self._validator.exists():
            return {"Range": f"bytes={have}-", "If-Range": self._validator.read_text()}
        return {}

    def _receive(
        self, response: urllib3.BaseHTTPResponse, deadline: float, cancelled: threading.Event
    ) -> bool:
        if response.status == 416:
            self.discard()
            raise Interrupted("the server cannot go on with the file")
        check_answer(response, (200, 206))
        offset = self._offset(response)
        self._check_length(response, offset)
        self._remember_validator(response)
        pipeline = _HashingThread(self._digest)
        try:
            with open_private(self.partial, "r+b" if offset else "wb") as output:
                output.truncate(offset)
                pipeline.start(output, offset)
                have = self._copy(response, output, offset, deadline, cancelled, pipeline)
        finally:
            is_right = pipeline.finish()
        if have < self._size:
            raise Interrupted("the connection ended early")
        if not is_right:
            raise self._wrong_hash()
        return True

    def _copy(
        self,
        response: urllib3.BaseHTTPResponse,
        output: IO[bytes],
        have: int,
        deadline: float,
        cancelled: threading.Event,
        pipeline: _HashingThread,
    ) -> int:
        window = RateWindow(self._limits, deadline)
        size = self._bandwidth.chunk_bytes(_CHUNK_BYTES)
        while chunk := response.read1(size):
            have += len(chunk)
            if have > self._size:
                output.close()
                self.discard()
                raise DownloadError(
                    Erc.DOWNLOAD_TOO_LONG, "the file is longer than its manifest says"
                )
            output.write(chunk)
            pipeline.feed(chunk)
            if cancelled.is_set():
                raise DownloadCancelledError
            self._bandwidth.take(len(chunk), cancelled)
            window.count(len(chunk))
        return have

    def _offset(self, response: urllib3.BaseHTTPResponse) -> int:
        if response.status == 200:
            return 0
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != self._have():
            self.discard()
            raise Interrupted("the server sent another part than asked for")
        return int(match.group(1))

    def _check_length(self, response: urllib3.BaseHTTPResponse, offset: int) -> None:
        length = response.headers.get("Content-Length", "")
        if length and not _LENGTH.fullmatch(length):
            self.discard()
            raise DownloadError(Erc.DOWNLOAD_TOO_LONG, "the server offers an impossible length")
        if not length or offset + int(length) == self._size:
            return
        self.discard()
        if is_page(response):
            raise portal("a web page of another length")
        offered = offset + int(length)
        raise DownloadError(
            Erc.DOWNLOAD_TOO_LONG if offered > self._size else Erc.DOWNLOAD_HASH_WRONG,
            f"the server offers {offered} bytes instead of {self._size}",
        )

    def _remember_validator(self, response: urllib3.BaseHTTPResponse) -> None:
        etag = response.headers.get("ETag", "")
        self._validator.unlink(missing_ok=True)
        if etag.startswith('"'):
            with open_private(self._validator, "wb") as file:
                file.write(etag.encode("latin-1", "replace"))

    def _wrong_hash(self) -> Exception:
        with open_private(self.partial, "rb") as content:
            begin = content.read(512)
        self.discard()
        if _PAGE.match(begin):
            return portal("a web page that has not the hash of the file")
        return DownloadError(Erc.DOWNLOAD_HASH_WRONG, "what came does not have the file's hash")


class _HashingThread:
    """Counts the hash beside the transfer, at most a few chunks behind it."""

    def __init__(self, digest: tuple[str, str]) -> None:
        self._hashing = Hashing(digest)
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_CHUNKS_AHEAD)
        self._thread: threading.Thread | None = None

    def start(self, partial: IO[bytes], offset: int) -> None:
        """Begin with what there is of the file already."""
        partial.seek(0)
        if offset:
            self._hashing.feed_file(partial)
        partial.seek(offset)
        self._thread = threading.Thread(target=self._run, name="odu-hash", daemon=True)
        self._thread.start()

    def feed(self, chunk: bytes) -> None:
        """Hand over the next bytes."""
        self._chunks.put(chunk)

    def finish(self) -> bool:
        """Whether all that was handed over has the hash."""
        if self._thread is None:
            return False
        self._chunks.put(None)
        self._thread.join()
        return self._hashing.is_right()

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._hashing.feed(chunk)


def check_answer(response: urllib3.BaseHTTPResponse, accepted: tuple[int, ...]) -> None:
    """Refuse an answer that is not the content.

    Raises:
        DownloadError: It will not be better soon.
        Interrupted: It may be.
    """
    status = response.status
    if status in accepted:
        return
    if status == _NETWORK_AUTHENTICATION_REQUIRED:
        raise portal("status 511")
    if 300 <= status < 400:
        raise DownloadError(
            Erc.DOWNLOAD_REFUSED,
            f"the server sends elsewhere (status {status}, to {_host(response)}): a portal?",
        )
    if status >= 500 or status in (408, 429):
        raise Interrupted(f"the server answered {status}")
    hint = _HINTS.get(status, "")
    raise DownloadError(Erc.DOWNLOAD_REFUSED, f"the server answered {status}{hint}")


def is_page(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether an answer says of itself that it is for people to read."""
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def portal(what: str) -> Interrupted:
    """What came is a page of the network, such as one that wants a guest to sign in."""
    message = f"the network answers with {what}: a captive portal or proxy?"
    return Interrupted(message, Erc.DOWNLOAD_PORTAL)


def _host(response: urllib3.BaseHTTPResponse) -> str:
    try:
        return urlsplit(response.headers.get("Location", "")).hostname or "nowhere"
    except ValueError:
        return "nowhere"
