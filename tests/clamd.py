"""Debian's clamd with a tiny signature database of its own, started by a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.unit.scanning.archives import EICAR
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT_BYTES = 1 << 20
NAME = "Test.Eicar.UNOFFICIAL"
_SBIN = "/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running clamd."""

    process: asyncio.subprocess.Process
    unix: str
    tcp: str


@asynccontextmanager
async def start_clamd(folder: Path) -> AsyncIterator[Daemon]:
    """Run clamd while the block lasts; it knows the EICAR string and takes `LIMIT_BYTES`."""
    program = shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    assert program, "clamd is missing: ./odu test installs the package clamav-daemon"
    (folder / "own.ndb").write_text(f"Test.Eicar:0:*:{EICAR.hex()}\n")
    path, port = folder / "socket", _free_port()
    (folder / "clamd.conf").write_text(
        f"DatabaseDirectory {folder}\nTemporaryDirectory {folder}\nLocalSocket {path}\n"
        f"TCPSocket {port}\nTCPAddr 127.0.0.1\nForeground yes\nAlertExceedsMax yes\n"
        f"AlertEncrypted yes\nStreamMaxLength {LIMIT_BYTES}\nMaxFileSize {LIMIT_BYTES}\n"
        f"MaxScanSize {LIMIT_BYTES}\n"
    )
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config-file={folder / 'clamd.conf'}",
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: _is_open(path, process))
        yield Daemon(process, f"unix://{path}", f"tcp://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def _is_open(path: Path, process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        raise RuntimeError(f"clamd ended with {process.returncode}")
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise AssertionError(f"clamd does not listen yet: {error}") from error
    writer.close()
    await writer.wait_closed()
