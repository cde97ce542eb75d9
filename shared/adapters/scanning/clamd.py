"""A client of ClamAV's daemon, for the scanning process: one member at a time, by INSTREAM.

Protocol: man 8 clamd. It knows neither authentication nor encryption and can be told to shut down:
clamd must be reachable from here alone, on loopback or through a socket in the file system.
"""

from __future__ import annotations

import io
import re
import socket
import struct
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from shared.adapters.scanning.limits import EngineFailed, OutOfTime, Unscannable
from shared.domain.scanning.scan import Knowledge

ENGINE = "clamd"
_CHUNK_BYTES = 1 << 18
_MAX_REPLY_BYTES = 4096
_LIMIT_REPLY = "INSTREAM size limit exceeded. ERROR"
_REPLY = re.compile(r"stream: (?:(?P<name>.+) )?(?P<word>OK|FOUND)")
_NOT_LOOKED_INTO = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")
"""Names of what clamd "finds" when it gives up; needs `AlertExceedsMax` or `AlertEncrypted`."""


def parse_address(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """The address family and the address of `tcp://HOST:PORT` or `unix:///PATH`.

    Raises:
        ValueError: It is neither.
    """
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return socket.AF_UNIX, parts.path
    if parts.scheme == "tcp" and parts.hostname and parts.port and not parts.path:
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return family, (parts.hostname, parts.port)
    raise ValueError(f"'{address}' is neither tcp://HOST:PORT nor unix:///PATH")


class Clamd:
    """A daemon and how much it may be given.

    Args:
        address: `tcp://HOST:PORT` or `unix:///PATH`.
        max_bytes: Largest member that it looks at. Above its own `MaxFileSize` clamd says OK to
            what it has not read, so nothing larger than this is ever given to it.
    """

    def __init__(self, address: str, max_bytes: int) -> None:
        self._family, self._address = parse_address(address)
        self._max_bytes = max_bytes

    def knowledge(self, seconds: float) -> Knowledge:
        """The version of the program and of its public database; empty if it has its own only.

        Raises:
            EngineFailed: It gives no sensible answer.
            OutOfTime: It gives none in time.
        """
        reply = self._ask(b"zVERSION\0", io.BytesIO(), time.monotonic() + seconds)
        version, _, rules = reply.removeprefix("ClamAV ").partition("/")
        if not reply.startswith("ClamAV "):
            raise EngineFailed("clamd does not tell its version")
        return Knowledge(ENGINE, version, rules)

    def scan(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        """The names of what it finds in flat bytes or in a file.

        Raises:
            Unscannable: It does not look at that much, or could not look into it.
            EngineFailed: It failed, or there is none.
            OutOfTime: It took longer than `seconds`.
        """
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if size > self._max_bytes:
            raise Unscannable(
                "has more bytes than clamd is given; the limit clamd_max_bytes is "
                f"{self._max_bytes}"
            )
        deadline = time.monotonic() + seconds
        with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:
            reply = self._ask(b"zINSTREAM\0", file, deadline, is_stream=True)
        if reply == _LIMIT_REPLY:
            raise Unscannable("has more bytes than clamd's StreamMaxLength")
        match = _REPLY.fullmatch(reply)
        if match is None:
            raise EngineFailed("clamd answered with an error")
        name = match["name"]
        if match["word"] == "OK":
            return ()
        if name.startswith(_NOT_LOOKED_INTO):
            raise Unscannable(f"was not looked into by clamd ({name})")
        return (name,)

    def _ask(
        self, command: bytes, file: io.BufferedIOBase, deadline: float, *, is_stream: bool = False
    ) -> str:
        try:
            with closing(socket.socket(self._family, socket.SOCK_STREAM)) as connection:
                _hurry(connection, deadline)
                connection.connect(self._address)
                # it closes its side as soon as it has had enough, and says why all the same
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(command)
                    if is_stream:
                        _send(connection, file, deadline)
                return _reply(connection, deadline)
        except TimeoutError as error:
            raise OutOfTime from error
        except OSError as error:
            raise EngineFailed(f"clamd cannot be reached ({type(error).__name__})") from error


def _send(connection: socket.socket, file: io.BufferedIOBase, deadline: float) -> None:
    while chunk := file.read(_CHUNK_BYTES):
        _hurry(connection, deadline)
        connection.sendall(struct.pack("!L", len(chunk)) + chunk)
    connection.sendall(struct.pack("!L", 0))


def _reply(connection: socket.socket, deadline: float) -> str:
    reply = b""
    while not reply.endswith(b"\0"):
        _hurry(connection, deadline)
        piece = connection.recv(_MAX_REPLY_BYTES)
        reply += piece
        if not piece or len(reply) > _MAX_REPLY_BYTES:
            raise EngineFailed("clamd gave no whole answer")
    return reply[:-1].decode("utf-8", "replace")


def _hurry(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
