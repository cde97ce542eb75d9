"""An installing half in a thread, and one that gives it orders as it likes."""

from __future__ import annotations

import base64
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odu_agent.halves.frames import Frames
from odu_agent.halves.installer import Installer
from odu_agent.handlers.simulator import simulated_handlers
from odu_agent.state import DeviceState, private_folder

from tests.unit.agent.fixtures import config
from tests.unit.contract import vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odu_agent.handlers import Handler


@dataclass
class Order:
    """What a hostile half sends; `files` are what it hands over, by name in the manifest."""

    service: dict[str, Any]
    package: bytes = field(default_factory=vectors.signed_package)
    files: dict[str, Any] = field(default_factory=dict)


class Half:
    """The installing half of one device."""

    def __init__(
        self, folder: Path, handlers: dict[str, Handler] | None = None, **changes: Any
    ) -> None:
        self.folder = private_folder(folder)
        self.config = config(folder, **changes)
        self.handlers = handlers or simulated_handlers(folder, {})  # type: ignore[arg-type]

    @contextmanager
    def connected(self) -> Iterator[Frames]:
        """Give the network half's end of a connection that is served."""
        here, there = socket.socketpair()
        installer = Installer(self.config, DeviceState(self.folder), self.handlers)
        thread = threading.Thread(target=installer.serve, args=(Frames(there),))
        thread.start()
        frames = Frames(here)
        here.settimeout(60)
        try:
            yield frames
        finally:
            frames.close()
            thread.join(60)
            assert not thread.is_alive()

    def order(self, order: Order) -> dict[str, Any]:
        """Give an order, hand over what is asked for, and return the result's members."""
        with self.connected() as frames:
            package = base64.b64encode(order.package).decode()
            frames.send("order", {"service": order.service, "rootKeyPackage": package})
            while True:
                kind, members, _ = frames.receive()
                if kind == "result":
                    return members
                if kind == "fetch":
                    self._hand_over(frames, order, members)

    def _hand_over(self, frames: Frames, order: Order, members: dict[str, Any]) -> None:
        answer = {"number": members["number"]}
        content = order.files.get(members["name"], b"payload one")
        if isinstance(content, int):
            frames.send("fetched", answer, content)
            return
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            frames.send("fetched", answer, os.dup(file.fileno()))


def erc_of(result: dict[str, Any]) -> int:
    code: int = result["extendedResultCodes"][0]
    return code
