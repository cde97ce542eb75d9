"""The installing half's process: when it ends, and what it does not cut short."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from odu_agent.contract.codes import ResultCode
from odu_agent.contract.manifest import ManifestStep
from odu_agent.halves import server as module
from odu_agent.halves.frames import Frames, PeerGoneError
from odu_agent.halves.messages import Order, order_to_json
from odu_agent.halves.server import InstallerServer
from odu_agent.handlers import StepContext, StepResult
from odu_agent.handlers.simulator import Simulator
from odu_agent.workflow import parse_command

from tests.unit.agent.content_server import ContentServer
from tests.unit.agent.fixtures import HANDLER, Update, config
from tests.unit.contract import vectors

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waits(Simulator):
    """Installs until it is let go, and then may ask for a restart."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun: list[str] = []
        self.has_begun, self.go_on = threading.Event(), threading.Event()
        self.code = ResultCode.INSTALL_SUCCESS

    def install(self, step: StepContext) -> StepResult:
        self.begun.append(step.update_id.version)
        self.has_begun.set()
        assert self.go_on.wait(60)
        return StepResult(self.code)


class Process:
    """An installing half that serves in a thread."""

    def __init__(self, folder: Path, *, is_activated: bool = False) -> None:
        self.handler = Waits(folder)
        self.path = folder / "socket"
        self.frames: list[Frames] = []
        listener = self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(4)
        settings = config(
            folder,
            installer_folder=folder / "installer",
            simulator=None,
            reboot_command=("touch", str(folder / "rebooted")),
        )
        handlers: Any = {HANDLER: self.handler}
        self.server = InstallerServer(
            settings, listener, is_activated=is_activated, handlers=handlers
        )
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.server.run()))

    def connect(self) -> Frames:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(60)
        connection.connect(str(self.path))
        frames = Frames(connection)
        self.frames.append(frames)
        return frames

    def order(self, version: str = "1.0", frames: Frames | None = None) -> Frames:
        frames = frames or self.connect()
        # without files: nobody has to fetch them
        steps = {"steps": (ManifestStep(HANDLER, (), {"installedCriteria": version}),)}
        update = Update(ContentServer(url="http://127.0.0.1:9"), version, changes=steps)
        command = parse_command(update.service(f"workflow {version}"))
        frames.send("order", order_to_json(Order(command, vectors.signed_package())))
        return frames

    def end(self) -> None:
        self.handler.go_on.set()
        self.server.stop()
        self.ended()

    def ended(self) -> int:
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.listener.close()
        for frames in self.frames:
            frames.close()
        return self.codes[0]


def _result(frames: Frames) -> dict[str, Any]:
    while True:
        kind, members, _ = frames.receive()
        if kind == "result":
            return members


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    running = Process(tmp_path)
    running.thread.start()
    yield running
    running.end()


@pytest.fixture
def activated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """One that may end when it is not needed, and does not run yet."""
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    waiting = Process(tmp_path, is_activated=True)
    yield waiting
    waiting.end()


def test_process_that_is_told_to_stop_finishes_what_it_installs(process: Process) -> None:
    frames = process.order()
    assert process.handler.has_begun.wait(60)

    process.server.stop()
    process.handler.go_on.set()

    assert _result(frames)["ended"] == "completed"
    assert process.ended() == 0


def test_process_restarts_the_device_and_begins_nothing_before_that(
    process: Process, tmp_path: Path
) -> None:
    process.handler.code = ResultCode.INSTALL_REBOOT_NOW
    frames = process.order("1.0")
    assert process.handler.has_begun.wait(60)
    waiting = process.order("2.0")

    process.handler.go_on.set()

    assert _result(frames)["restart"] == "device"
    assert process.ended() == 0
    assert (tmp_path / "rebooted").exists()
    with pytest.raises(PeerGoneError):
        _result(waiting)
    assert process.handler.begun == ["1.0"]


def test_process_ends_when_idle_but_not_while_it_installs(activated: Process) -> None:
    """Systemd holds the socket, and starts it again when it is needed.

    A connection counts from its first moment: its order may be long in coming.
    """
    frames = activated.connect()
    activated.thread.start()
    activated.thread.join(0.5)
    assert activated.thread.is_alive(), "it waits for the order"

    activated.order(frames=frames)
    assert activated.handler.has_begun.wait(60)
    activated.thread.join(0.5)
    assert activated.thread.is_alive(), "it installs"

    activated.handler.go_on.set()

    assert _result(frames)["ended"] == "completed"
    assert activated.ended() == 0


def test_process_serves_so_many_connections_and_no_more(process: Process) -> None:
    """A hostile network half gets no further threads of a privileged process."""
    with ExitStack() as silent:
        for _ in range(module._MOST_CONNECTIONS + 1):
            connection = silent.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.connect(str(process.path))  # without a time limit it waits for its turn
            connection.settimeout(60)

        assert connection.recv(1) == b"", "closed at once"
