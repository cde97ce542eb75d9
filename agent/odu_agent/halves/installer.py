"""The installing half: carries out orders that prove themselves, one at a time."""

from __future__ import annotations

import logging
import os
import queue
import stat
import threading
from typing import TYPE_CHECKING, Any, Optional

from ..contract.codes import Erc
from ..download import check_room
from ..fetching import DownloadCancelledError, DownloadError
from ..hashes import Hashing, expected_digest, matches
from ..operation import Operation
from ..state import open_private
from ..verification import VerificationError, Verifier
from ..worker import Worker
from ..workflow import Ended
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
    error_of,
    failure,
    file_to_json,
    order_from_json,
    outcome_to_json,
)
from .records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..config import AgentConfig
    from ..contract.manifest import ManifestFile
    from ..fetching import Wanted
    from ..handlers import Handler
    from ..state import DeviceState
    from ..workflow import Command

    _Answers = queue.SimpleQueue[tuple[dict[str, Any], Optional[int]]]

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_LOOK_SECONDS = 0.2


class Installer:
    """What one device's installing half works with.

    Args:
        config: Its settings, from files that the network half cannot write.
        state: Its own records: root key package, highest versions, results.
        handlers: By name.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: DeviceState,
        handlers: Mapping[str, Handler],
    ) -> None:
        self._config = config
        self._state = state
        self._handlers = handlers
        self._records = Records(state.folder)
        self._turn = threading.Lock()
        self._is_closing = False
        self._working: tuple[str, _Peer] | None = None

    def serve(self, frames: Frames) -> Outcome | None:
        """Carry out the one order of a connection and answer it; one order after the other.

        An order that comes while another is carried out waits for its turn. If it is the same
        workflow's, its network half has died and come back: it may cancel what goes on.

        Returns:
            The outcome; None where the other side left or did not keep to the protocol.
        """
        try:
            order = _read_order(frames)
        except (FrameError, PeerGoneError) as error:
            logger.warning("no order: %s", error)
            frames.close()
            return None
        peer = _Peer(frames)
        if order.is_cancelled:
            peer.cancelled.set()
        peer.start()
        try:
            if not self._await_turn(order.command.workflow_id, peer):
                return None
            try:
                return self._serve_in_turn(order, peer, frames)
            finally:
                self._working = None
                self._turn.release()
        finally:
            peer.close()

    def close(self) -> None:
        """Wait for what is being carried out, and take on nothing more."""
        self._is_closing = True
        self._turn.acquire()

    def _await_turn(self, workflow_id: str, peer: _Peer) -> bool:
        """Wait until nothing else is carried out; False where the other side left meanwhile."""
        while not self._turn.acquire(timeout=_LOOK_SECONDS):
            working = self._working
            if peer.is_gone:
                return False
            if working is not None and working[0] == workflow_id and peer.cancelled.is_set():
                working[1].cancelled.set()
        if self._is_closing:
            self._turn.release()
            return False
        self._working = workflow_id, peer
        return True

    def _serve_in_turn(self, order: Order, peer: _Peer, frames: Frames) -> Outcome | None:
        outcome = self._carry_out(order.command, order.root_key_package, peer)
        if outcome is not None:
            # Nothing else may begin before the restart that it asks for.
            self._is_closing |= outcome.result.restart is not None
            try:
                frames.send(RESULT, outcome_to_json(outcome))
            except PeerGoneError:
                logger.warning("the network half left; the result is kept for it")
        return outcome

    def _carry_out(self, command: Command, package: bytes, peer: _Peer) -> Outcome | None:
        known = self._records.find(command)
        if known is not None:
            logger.info("workflow %.64s has ended before", command.workflow_id)
            return known
        verifier = Verifier(self._config.root_keys, self._state, None)
        code: int = Erc.NONE
        try:
            code = verifier.take_over(package)
            manifest = verifier.verify(command)
        except VerificationError as error:
            logger.warning("order refused: %s", error.message)
            return Outcome(failure(error.erc, error.message), code, is_refused=True)
        worker = Worker(self._config, self._handlers, self._state, peer, verifier)
        operation = Operation(command, manifest, code)
        self._records.begin(command)
        result = worker.carry_out(operation, peer.cancelled, peer.tell_phase)
        if peer.was_missed:
            # Not the deployment failed but the other half: it goes on when that is back.
            return None
        outcome = Outcome(result, code)
        if result.restart is None:
            self._records.end(command, outcome)
            if result.ended != Ended.FAILED:
                worker.conclude(operation, is_installed=result.ended == Ended.COMPLETED)
        return outcome


def _read_order(frames: Frames) -> Order:
    kind, members, file = frames.receive()
    if file is not None:
        os.close(file)
    if kind != ORDER or file is not None:
        raise FrameError(f"an order was expected, not {kind!r:.40}")
    return order_from_json(members)


class _Peer:
    """The network half, as the source of files; it is a `Downloader` for deployments."""

    def __init__(self, frames: Frames) -> None:
        self.cancelled = threading.Event()
        self.was_missed = False
        """Whether a file was wanted when nobody was there any more."""
        self._frames = frames
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, _Answers] = {}
        self.is_gone = False
        """Whether it has closed the connection."""
        self._thread = threading.Thread(target=self._listen, name="odu-peer", daemon=True)

    def start(self) -> None:
        """Listen to what it says."""
        self._thread.start()

    def close(self) -> None:
        """End the connection."""
        self._frames.close()
        self._thread.join()

    def tell_phase(self, phase: str, waiting: str | None) -> None:
        """Tell what goes on; nobody need be there to hear it."""
        try:
            self._frames.send(PHASE, {"phase": phase, "waiting": waiting})
        except PeerGoneError:
            logger.debug("nobody to tell of %s", phase)

    def fetch_all(self, wanted: Sequence[Wanted], cancelled: threading.Event) -> None:
        """Have the other half fetch files, and take over checked copies.

        Raises:
            DownloadError: One cannot be had, or is not the one of the manifest.
            DownloadCancelledError: `cancelled` was set.
        """
        check_room(wanted)
        missing = [item for item in wanted if not matches(item.target, expected_digest(item.file))]
        asked = [(item, self._ask(item)) for item in missing]
        for item, answer in asked:
            members, descriptor = self._answer(answer, cancelled)
            if descriptor is None:
                raise DownloadError(*error_of(members))
            try:
                _take_over(descriptor, item.file, item.target, expected_digest(item.file))
            finally:
                os.close(descriptor)

    def _ask(self, wanted: Wanted) -> _Answers:
        answer: _Answers = queue.SimpleQueue()
        with self._lock:
            if self.is_gone:
                raise self._missed()
            self._last += 1
            number = self._last
            self._waiting[number] = answer
        try:
            self._frames.send(FETCH, file_to_json(number, wanted.url, wanted.file))
        except PeerGoneError:
            raise self._missed() from None
        return answer

    def _answer(
        self, answer: _Answers, cancelled: threading.Event
    ) -> tuple[dict[str, Any], int | None]:
        members, descriptor = answer.get()
        if members.get("isGone"):
            raise self._missed()
        if cancelled.is_set() or members.get("isCancelled"):
            if descriptor is not None:
                os.close(descriptor)
            raise DownloadCancelledError
        return members, descriptor

    def _missed(self) -> DownloadError:
        self.was_missed = True
        return DownloadError(Erc.DOWNLOAD_EXCEPTION, "the network half of the agent has left")

    def _listen(self) -> None:
        try:
            while True:
                kind, members, file = self._frames.receive()
                self._handle(kind, members, file)
        except (FrameError, PeerGoneError) as error:
            logger.debug("the network half says no more: %s", error)
        with self._lock:
            self.is_gone = True
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.put(({"isGone": True}, None))

    def _handle(self, kind: str, members: dict[str, Any], file: int | None) -> None:
        with self._lock:
            number = members.get("number")
            is_known = kind == FETCHED and isinstance(number, int)
            answer = self._waiting.pop(number, None) if is_known else None  # type: ignore[arg-type]
        if answer is not None:
            answer.put((members, file))
            return
        if file is not None:
            os.close(file)
        if kind != CANCEL:
            raise FrameError(f"an unexpected message {kind!r:.40}")
        self.cancelled.set()


def _take_over(source: int, file: ManifestFile, target: Path, digest: tuple[str, str]) -> None:
    """Copy what a descriptor gives, once and checked while it is copied.

    The other half may change its file at any time; what counts is what was copied.
    """
    if not stat.S_ISREG(os.fstat(source).st_mode):
        raise DownloadError(Erc.DOWNLOAD_INVALID_FILE, "what was handed over is no file")
    partial = target.with_name(target.name + ".part")
    partial.unlink(missing_ok=True)
    with open_private(partial, "wb", flags=os.O_EXCL) as output:
        hashing, offset = Hashing(digest), 0
        while chunk := os.pread(source, _CHUNK_BYTES, offset):
            offset += len(chunk)
            if offset > file.size_in_bytes:
                break
            hashing.feed(chunk)
            output.write(chunk)
        is_right = offset == file.size_in_bytes and hashing.is_right()
        output.flush()
        os.fsync(output.fileno())
    if not is_right:
        partial.unlink()
        name = f"{file.file_name!r:.80}"
        raise DownloadError(Erc.DOWNLOAD_HASH_WRONG, f"{name} is not the file of the manifest")
    partial.replace(target)
