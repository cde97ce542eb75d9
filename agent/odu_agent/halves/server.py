"""The command `odu-agent installer`: listens for orders."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import selectors
import signal
import socket
import struct
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..handlers import Restart
from ..means import installed_handlers
from ..reboot import restart_device
from ..state import DeviceState, private_folder
from .frames import Frames
from .installer import Installer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..config import AgentConfig
    from ..handlers import Handler

logger = logging.getLogger(__name__)

_FIRST_PASSED = 3
"""The first descriptor that systemd passes (sd_listen_fds)."""
_IDLE_SECONDS = 60.0
EXIT_BAD_CONFIG = 2
_ORDER_SECONDS = 30.0
_MOST_CONNECTIONS = 8
_CREDENTIALS = struct.Struct("3i")


class InstallerServer:
    """Serves one device's installing half.

    Args:
        config: The settings.
        listener: A bound unix socket.
        is_activated: Whether systemd holds the socket too and starts this process when it is
            needed, so that it may end when it is not.
        handlers: By name; by default those that are installed.
    """

    def __init__(
        self,
        config: AgentConfig,
        listener: socket.socket,
        *,
        is_activated: bool,
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        own = replace(config, data_folder=private_folder(config.installer_folder))
        state = DeviceState(own.data_folder)
        self._config = own
        self._installer = Installer(own, state, handlers or installed_handlers(own))
        self._listener = listener
        self._users = {os.geteuid(), *_user_ids(config.run_as)}
        self._served: set[socket.socket] = set()
        self._is_stopping = False
        self._idle_seconds = _IDLE_SECONDS if is_activated else None
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def run(self) -> int:
        """Serve until told to stop, or until nothing has come for a while.

        A network half that has come back is heard while its former order is carried out.
        """
        with selectors.DefaultSelector() as ready:
            ready.register(self._listener, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while not self._is_stopping:
                heard = [key.fileobj for key, _ in ready.select(self._idle_seconds)]
                if self._listener in heard:
                    self._accept()
                elif not heard and not self._served:
                    logger.debug("nothing to install")
                    break
        # What is being installed is not cut in the middle.
        self._installer.close()
        self._woken.close()
        self._wake.close()
        return 0

    def stop(self, *_: Any) -> None:
        """End when what is being installed is done."""
        self._is_stopping = True
        with contextlib.suppress(OSError):
            # It has been woken already, or has ended.
            self._wake.send(b"x")

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(None)
        if len(self._served) >= _MOST_CONNECTIONS:
            logger.warning("more connections than a network half needs")
            connection.close()
            return
        self._served.add(connection)
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                restart = self._answer(connection)
        finally:
            self._served.discard(connection)
        if restart is not None:
            self.stop()

    def _answer(self, connection: socket.socket) -> Restart | None:
        user = _user_of(connection)
        if user not in self._users:
            logger.warning("user %s may give no orders", user)
            return None
        timeout = struct.pack("ll", int(_ORDER_SECONDS), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        outcome = self._installer.serve(Frames(connection))
        restart = outcome.result.restart if outcome is not None else None
        if restart is Restart.DEVICE:
            try:
                restart_device(self._config)
            except OSError as error:
                # The update is not concluded: at its next order it asks again, and at last fails.
                logger.error("the device cannot be restarted: %s", error.strerror)  # noqa: TRY400
        return restart


def run_installer(config: AgentConfig) -> int:
    """Run the installing half; returns its exit code."""
    if config.installer_socket is None:
        sys.stderr.write("odu-agent: installerSocket is not set: there is one process only\n")
        return EXIT_BAD_CONFIG
    listener, is_activated = _listener(config.installer_socket, config.run_as)
    server = InstallerServer(config, listener, is_activated=is_activated)
    signal.signal(signal.SIGTERM, server.stop)
    signal.signal(signal.SIGINT, server.stop)
    return server.run()


def _listener(path: Path, run_as: str) -> tuple[socket.socket, bool]:
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS"):
        return socket.socket(fileno=_FIRST_PASSED), True
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    for user in _user_ids(run_as):
        if user != os.geteuid():
            os.chown(path, user, -1)
    listener.listen(4)
    return listener, False


def _user_of(connection: socket.socket) -> int:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(data)[1]
    return user


def _user_ids(name: str) -> list[int]:
    try:
        return [pwd.getpwnam(name).pw_uid] if name else []
    except KeyError:
        return []
