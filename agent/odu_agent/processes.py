"""Run a program of an update so that all of it can be ended.

It gets a session of its own, and a mark in its environment that whatever it starts inherits: to
end it is to end its process group and then every process with the mark, also one that went into
another session. Needs no cgroup to be handed to the agent. Of the output the end is kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_READ_BYTES = 16 * 1024
_KEPT_BYTES = 64 * 1024
_LINE_BYTES = 4096
_MOST_ROUNDS = 100
_MARK = "ODU_STEP"


class Ending(Enum):
    """Why a program is over."""

    EXITED = "exited"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Completed:
    """A program that is over; `exit_code` is 128 + N after signal N, as shells count."""

    ending: Ending
    exit_code: int
    output: str

    @property
    def is_success(self) -> bool:
        """Whether it came to its own end and said that all is well."""
        return self.ending is Ending.EXITED and self.exit_code == 0

    @property
    def last_line(self) -> str:
        """The last line of output with anything in it, for a result's details."""
        lines = [line.strip() for line in self.output.splitlines()]
        return next((line[:400] for line in reversed(lines) if line), "")


@dataclass(frozen=True)
class Program:
    """What to run, and how long.

    Attributes:
        arguments: The program and its arguments; no shell reads them.
        environment: All of its environment: nothing of the agent's own is handed on.
        folder: It runs in.
        seconds: After which it is ended.
        grace_seconds: From the polite signal to the one that cannot be refused.
        patience_seconds: How long it may still go on after a cancel, to finish what is dangerous
            to interrupt.
        leaves_services: What it has left running lives on after a normal end.
        on_line: Told each line of output.
        status: Told each line that the program writes to the descriptor named by `{status}` in
            its arguments.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    seconds: float
    grace_seconds: float = 10
    patience_seconds: float = 0
    leaves_services: bool = False
    on_line: Callable[[str], None] | None = None
    status: Callable[[str], None] | None = None


def search_path() -> str:
    """Where programs are looked for: as the agent was told, else in the usual places."""
    return os.environ.get("PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(program: Program, cancelled: threading.Event | None = None) -> Completed:
    """Run a program to its end, its time limit, or until `cancelled` is set.

    Raises:
        OSError: It cannot be started.
    """
    return _Run(program, cancelled).to_end()


class _Run:
    def __init__(self, program: Program, cancelled: threading.Event | None) -> None:
        self._program = program
        self._cancelled = cancelled
        self._streams = selectors.DefaultSelector()
        self._output = _Lines(program.on_line)
        self._mark = uuid.uuid4().hex
        self._process = self._start()
        self._deadline = time.monotonic() + program.seconds
        self._cancelled_at: float | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        arguments, writer = list(self._program.arguments), None
        if self._program.status is not None:
            reader, writer = os.pipe()
            arguments = [part.replace("{status}", str(writer)) for part in arguments]
            self._watch(reader, _Lines(self._program.status))
        output, output_writer = os.pipe()
        self._watch(output, self._output)
        try:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output_writer,
                stderr=subprocess.STDOUT,
                env={**self._program.environment, _MARK: self._mark},
                cwd=self._program.folder,
                start_new_session=True,
                pass_fds=() if writer is None else (writer,),
            )
        except OSError:
            self._release()
            raise
        finally:
            os.close(output_writer)
            if writer is not None:
                os.close(writer)

    def _watch(self, descriptor: int, lines: _Lines) -> None:
        os.set_blocking(descriptor, False)
        self._streams.register(descriptor, selectors.EVENT_READ, lines)

    def to_end(self) -> Completed:
        ending = Ending.EXITED
        try:
            while self._process.poll() is None:
                self._read(_TICK_SECONDS)
                reason = self._reason_to_stop()
                if reason is not None:
                    ending = reason
                    self._stop()
            if ending is not Ending.EXITED or not self._program.leaves_services:
                self._signal(signal.SIGKILL)
            self._read_rest()
        finally:
            if self._process.poll() is None:
                self._signal(signal.SIGKILL)
                self._process.wait()
            self._release()
        code = self._process.returncode
        return Completed(ending, code if code >= 0 else 128 - code, self._output.kept())

    def _reason_to_stop(self) -> Ending | None:
        now = time.monotonic()
        if now >= self._deadline:
            return Ending.TIMED_OUT
        if self._cancelled is None or not self._cancelled.is_set():
            return None
        self._cancelled_at = self._cancelled_at or now
        is_due = now >= self._cancelled_at + self._program.patience_seconds
        return Ending.CANCELLED if is_due else None

    def _stop(self) -> None:
        """Ask, wait, insist."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + self._program.grace_seconds
        while self._process.poll() is None and time.monotonic() < until:
            self._read(_TICK_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._kill_marked()

    def _kill_marked(self) -> None:
        """Looks again until nothing is left: what is found may have started more meanwhile."""
        mark = f"{_MARK}={self._mark}".encode("ascii")
        for _ in range(_MOST_ROUNDS):
            found = _marked(mark)
            if not found:
                return
            for number in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(_TICK_SECONDS / 10)
        logger.warning("some of what a step has started cannot be ended")

    def _read(self, seconds: float) -> bool:
        """Take some of what there is to read, waiting up to `seconds`; tell whether there was any.

        Not all of it: what never stops talking must not keep its time limit from being noticed.
        """
        if not self._streams.get_map():
            time.sleep(seconds)
            return False
        ready = self._streams.select(seconds)
        for key, _ in ready:
            data = os.read(key.fd, _READ_BYTES)
            if data:
                key.data.add(data)
                continue
            key.data.end()
            self._streams.unregister(key.fd)
            os.close(key.fd)
        return bool(ready)

    def _read_rest(self) -> None:
        """What was written before the end; bounded, as a service may go on writing."""
        for _ in range(_MOST_ROUNDS):
            if not self._read(0):
                return

    def _release(self) -> None:
        for key in list(self._streams.get_map().values()):
            key.data.end()
            os.close(key.fd)
        self._streams.close()


class _Lines:
    """Cuts output into lines, and keeps its end."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._kept = b""
        self._rest = b""

    def add(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-_KEPT_BYTES:]
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._tell(line)

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def kept(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def _tell(self, line: bytes) -> None:
        if self._on_line is not None:
            self._on_line(line[:_LINE_BYTES].decode("utf-8", "replace").rstrip("\r"))


def _marked(mark: bytes) -> list[int]:
    """The processes that inherited a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found
