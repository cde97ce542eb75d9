"""Writes files as blobs into a container, through an address that holds the right to do so.

The address is a secret and appears in no message.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError

from .contract.diagnostics import LogResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from .log_files import LogFile

_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 0.5
_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 64 * 1024
_RESULTS = {
    401: LogResult.BAD_CREDENTIAL,
    403: LogResult.BAD_CREDENTIAL,
    404: LogResult.CONTAINER_CREATION_FAILED,
}


class UploadError(Exception):
    """A file could not be written; `result` is what the device reports."""

    def __init__(self, result: LogResult, message: str) -> None:
        super().__init__(message)
        self.result = result


class UploadCancelledError(Exception):
    """The upload was asked to stop."""


class LogUploader:
    """Writes into one container.

    Args:
        url: The container's address with a shared access signature.
        ca_file: Authorities to trust besides the system's.
        cancelled: Ends an upload early.

    Raises:
        UploadError: The address is none.
    """

    def __init__(self, url: str, ca_file: Path | None, cancelled: threading.Event) -> None:
        try:
            self._parts = urlsplit(url)
            is_usable = self._parts.scheme in ("http", "https") and bool(self._parts.hostname)
        except ValueError:
            is_usable = False
        if not is_usable:
            raise UploadError(LogResult.NO_SAS_URL, "the address is no http or https URL")
        self._cancelled = cancelled
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=1)

    def close(self) -> None:
        """Give up idle connections."""
        self._pool.clear()

    def put(self, name: str, file: LogFile) -> None:
        """Write a file as a blob; one that was rotated away meanwhile is passed over.

        Raises:
            UploadError: The container does not take it.
            UploadCancelledError: `cancelled` was set.
        """
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                status = self._put_once(name, file)
            except FileNotFoundError:
                return
            except HTTPError as error:
                reason = type(error).__name__
            else:
                if status == 201:
                    return
                if status in _RESULTS:
                    raise UploadError(_RESULTS[status], f"the container answered {status}")
                reason = f"the container answered {status}"
            if attempt < _ATTEMPTS and self._cancelled.wait(wait):
                raise UploadCancelledError
            wait *= 2
        raise UploadError(LogResult.UPLOAD_FAILED, reason)

    def _put_once(self, name: str, file: LogFile) -> int:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(file.size),
        }
        response = self._pool.request(
            "PUT",
            self._address(name),
            body=self._content(file),
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            redirect=False,
        )
        return response.status

    def _address(self, name: str) -> str:
        parts = self._parts
        path = f"{parts.path.rstrip('/')}/{quote(name, safe='/')}"
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def _content(self, file: LogFile) -> Iterator[bytes]:
        """The file up to the size that was announced, whatever was appended since."""
        left = file.size
        with file.path.open("rb") as source:
            while left:
                chunk = source.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    raise UploadError(LogResult.UPLOAD_FAILED, "a log file shrank meanwhile")
                if self._cancelled.is_set():
                    raise UploadCancelledError
                left -= len(chunk)
                yield chunk
