"""Messages on a unix socket: a length, a JSON object, and at most one open file."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import threading
from typing import Any

from ..contract.strictjson import loads_object

MAXIMUM_BYTES = 1024 * 1024
_LENGTH = struct.Struct(">I")
_ONE = array.array("i", [0]).itemsize


class FrameError(Exception):
    """The other side does not keep to the protocol."""


class PeerGoneError(Exception):
    """The other side has closed the connection."""


class Frames:
    """One end of a connection; one thread may receive while others send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._received: list[int] = []

    def send(self, kind: str, members: dict[str, Any], file: int | None = None) -> None:
        """Send a message, and a descriptor with it.

        Raises:
            PeerGoneError: There is nobody to take it.
        """
        body = json.dumps({"kind": kind, **members}).encode()
        ancillary = []
        if file is not None:
            rights = array.array("i", [file])
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        try:
            with self._sending:
                # The descriptor travels with the length, so that it cannot get lost between.
                self._connection.sendmsg([_LENGTH.pack(len(body))], ancillary)
                self._connection.sendall(body)
        except OSError as error:
            raise PeerGoneError(type(error).__name__) from None

    def receive(self) -> tuple[str, dict[str, Any], int | None]:
        """Wait for a message: kind, members, and a descriptor that the caller has to close.

        Raises:
            PeerGoneError: The connection ended.
            FrameError: What came is no message.
        """
        try:
            members = self._message()
        except BaseException:
            self._drop()
            raise
        kind = members.pop("kind", None)
        if not isinstance(kind, str) or len(self._received) > 1:
            self._drop()
            raise FrameError("a message without a kind, or with several files")
        return kind, members, self._received.pop() if self._received else None

    def _message(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if not 0 < length <= MAXIMUM_BYTES:
            raise FrameError(f"a message of {length} bytes")
        try:
            return loads_object(self._exactly(length))
        except ValueError as error:
            raise FrameError(f"a message that is no object: {error}") from None

    def close(self) -> None:
        """End the connection; whoever waits for a message is told."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The other side was faster.
            return
        finally:
            self._connection.close()

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                chunk, ancillary, flags, _ = self._connection.recvmsg(
                    min(count - len(data), 65536), socket.CMSG_SPACE(8 * _ONE)
                )
            except OSError as error:
                raise PeerGoneError(type(error).__name__) from None
            self._take_files(ancillary)
            if not chunk:
                raise PeerGoneError("closed")
            if flags & socket.MSG_CTRUNC:
                raise FrameError("a message with many files")
            data += chunk
        return bytes(data)

    def _take_files(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                files = array.array("i")
                files.frombytes(data[: len(data) - len(data) % _ONE])
                self._received.extend(files)

    def _drop(self) -> None:
        while self._received:
            os.close(self._received.pop())
