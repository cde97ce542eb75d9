"""The network half's side: hands an order over, fetches what is asked for, waits for the result."""

from __future__ import annotations

import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from ..contract.codes import Erc
from ..fetching import DownloadCancelledError, DownloadError
from ..hashes import expected_digest
from ..state import open_private, private_folder
from ..worker import conclude, workflow_folder
from .frames import FrameError, Frames, PeerGoneError
from .messages import (
    CANCEL,
    FETCH,
    FETCHED,
    ORDER,
    PHASE,
    RESULT,
    Order,
    Outcome,
    failure,
    file_from_json,
    order_to_json,
    outcome_from_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..download import Downloader
    from ..operation import Operation
    from ..result import DeploymentResult
    from ..state import DeviceState

logger = logging.getLogger(__name__)

_TRIES = 6
_FIRST_WAIT_SECONDS = 0.5


class RemoteWorker:
    """Has deployments carried out by the installing half.

    Args:
        path: Of its socket.
        state: This half's records and downloads.
        downloader: Fetches.
    """

    def __init__(self, path: Path, state: DeviceState, downloader: Downloader) -> None:
        self._path = path
        self._state = state
        self._downloader = downloader
        self._frames: Frames | None = None
        self._has_left = threading.Event()

    def carry_out(
        self,
        operation: Operation,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> DeploymentResult:
        """Have a deployment carried out; an installing half that dies is asked again."""
        wait = _FIRST_WAIT_SECONDS
        for _ in range(_TRIES):
            try:
                return self._once(operation, cancelled, on_phase)
            except (OSError, PeerGoneError, FrameError) as error:
                if self._has_left.is_set():
                    break
                logger.warning("the installing half does not answer: %s", error)
            # Also when it was cancelled: what the other half says of it is the truth.
            if self._has_left.wait(wait):
                break
            wait *= 2
        return failure(Erc.INSTALLER_UNREACHABLE, "the installing half does not answer")

    def _once(
        self,
        operation: Operation,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> DeploymentResult:
        package = self._state.root_key_package()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        frames = self._frames = Frames(connection)
        folder = private_folder(workflow_folder(self._state, operation.command.workflow_id))
        conversation = _Conversation(frames, self._downloader, folder, cancelled, on_phase)
        try:
            order = Order(operation.command, package or b"", is_cancelled=cancelled.is_set())
            frames.send(ORDER, order_to_json(order))
            return conversation.run().result
        finally:
            conversation.close()

    def conclude(self, operation: Operation, *, is_installed: bool) -> None:
        """Clean up on this side."""
        conclude(self._state, operation, is_installed=is_installed)

    def leave(self) -> None:
        """End the conversation; the other half finishes and keeps the result."""
        self._has_left.set()
        if self._frames is not None:
            self._frames.close()


class _Conversation:
    """One order under way."""

    def __init__(
        self,
        frames: Frames,
        downloader: Downloader,
        folder: Path,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> None:
        self._frames = frames
        self._downloader = downloader
        self._folder = folder
        self._cancelled = cancelled
        self._on_phase = on_phase
        self._over = threading.Event()
        self._fetching = ThreadPoolExecutor(8, thread_name_prefix="odu-fetch")
        self._watch = threading.Thread(target=self._pass_cancel_on, daemon=True)

    def run(self) -> Outcome:
        """Answer what is asked until the result comes."""
        self._watch.start()
        while True:
            kind, members, file = self._frames.receive()
            if file is not None:
                os.close(file)
            if kind == RESULT:
                return outcome_from_json(members)
            if kind == PHASE:
                waiting = members.get("waiting")
                self._on_phase(str(members.get("phase")), waiting and str(waiting))
            elif kind == FETCH:
                self._fetching.submit(self._fetch, members)

    def close(self) -> None:
        """End it and wait for what was being fetched."""
        self._over.set()
        self._frames.close()
        self._fetching.shutdown()

    def _pass_cancel_on(self) -> None:
        while not self._over.is_set():
            if self._cancelled.wait(0.2):
                try:
                    self._frames.send(CANCEL, {})
                except PeerGoneError:
                    logger.debug("nobody to cancel")
                return

    def _fetch(self, members: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"number": members.get("number")}
        try:
            try:
                with self._file(members) as content:
                    self._frames.send(FETCHED, answer, content.fileno())
            except DownloadCancelledError:
                self._frames.send(FETCHED, {**answer, "isCancelled": True})
            except (DownloadError, FrameError) as error:
                code = int(getattr(error, "erc", Erc.DOWNLOAD_EXCEPTION))
                self._frames.send(FETCHED, {**answer, "erc": code, "error": str(error)})
            except OSError as error:
                code = error.errno or Erc.DOWNLOAD_EXCEPTION
                self._frames.send(FETCHED, {**answer, "erc": code, "error": error.strerror})
        except PeerGoneError:
            logger.debug("nobody waits for the file any more")

    def _file(self, members: dict[str, Any]) -> IO[bytes]:
        """Fetch a file and open it; its name goes at once, for the other half makes a copy."""
        _, url, file = file_from_json(members)
        path = self._folder / _name(expected_digest(file))
        self._downloader.fetch(url, file, path, self._cancelled)
        content = open_private(path, "rb")
        path.unlink()
        return content


def _name(digest: tuple[str, str]) -> str:
    """A file by its content, so that no name from outside is used."""
    return digest[0] + "-" + digest[1].replace("/", "_").replace("+", "-").rstrip("=")
