"""The reference device as a machine: QEMU with a disk, a serial console and a way to this host."""

from __future__ import annotations

import asyncio
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.lab.commands import LabError, program

if TYPE_CHECKING:
    from types import TracebackType

HOST = "10.0.2.2"
"""The address under which QEMU's user network has the loopback of this host."""
_PROBE_SECONDS = 20
_PROBE_ANSWER = 0x42
_PROBE_PORT = 0xF4
_MEMORY = "512"
_LONGEST_LINE = 1 << 20
_CONTROL = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[A-Za-z]|[\x00-\x08\x0b-\x1f]")


def acceleration(folder: Path) -> str:
    """The best acceleration that works here: `kvm`, or QEMU's own translation.

    A `/dev/kvm` that is there may still run nothing, so a first sector that ends the machine is
    started with it, as the machine will be.
    """
    sector = folder / "probe.img"
    # mov al, answer; out port, al; hlt
    code = bytes([0xB0, _PROBE_ANSWER, 0xE6, _PROBE_PORT, 0xF4])
    sector.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
    command = [program("qemu-system-x86_64"), "-accel", "kvm", "-m", "16", "-display", "none"]
    command += ["-cpu", "host", "-smp", "2", "-nodefaults", "-no-reboot"]
    command += ["-drive", f"file={sector},format=raw"]
    command += ["-device", f"isa-debug-exit,iobase={_PROBE_PORT:#x},iosize=1"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return "tcg,thread=multi"
    return "kvm" if done.returncode == _PROBE_ANSWER << 1 | 1 else "tcg,thread=multi"


class Machine:
    """The machine; an async context manager, which ends as by pulling its plug.

    Args:
        disk: Its disk.
        console: Where all that it writes to its serial console is kept.
        accelerated_by: See `acceleration`.
    """

    def __init__(self, disk: Path, console: Path, accelerated_by: str) -> None:
        self._disk = disk
        self._log = console
        self._acceleration = accelerated_by
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lines: list[str] = []
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Nothing yet: `power_on` starts it."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Pull the plug."""
        await self.cut_power()

    @property
    def position(self) -> int:
        """How many lines the console has; what is waited for may be looked for from here on."""
        return len(self._lines)

    async def power_on(self) -> None:
        """Start it."""
        # However this process ends, the machine ends with it.
        command = [program("setpriv"), "--pdeathsig", "KILL", program("qemu-system-x86_64")]
        command += ["-accel", self._acceleration, "-smp", "2"]
        command += ["-m", _MEMORY, "-nodefaults", "-display", "none", "-serial", "stdio"]
        command += ["-cpu", "host" if self._acceleration == "kvm" else "max"]
        command += ["-drive", f"file={self._disk},format=raw,if=virtio"]
        command += ["-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci"]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,  # an interrupt at the terminal is for the lab, which ends it
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def cut_power(self) -> None:
        """Kill it: whatever it had not written to its disk is lost."""
        process, reader = self._process, self._reader
        self._process = self._reader = None
        if process is not None and reader is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await reader

    async def seen(self, pattern: str, since: int = 0) -> str:
        """Wait for a line on the console.

        Args:
            pattern: A regular expression.
            since: The first line to look at.

        Returns:
            What was found.

        Raises:
            LabError: The machine ended before that.
        """
        async with self._changed:
            while True:
                for line in self._lines[since:]:
                    if found := re.search(pattern, line):
                        return found.group()
                since = len(self._lines)
                if self._process is None or self._process.returncode is not None:
                    last = "\n".join(self._lines[-5:])
                    raise LabError(f"the machine ended before it said {pattern!r}:\n{last}")
                await self._changed.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self._log.open("a", encoding="utf-8") as log:
            while data := await process.stdout.readline():
                line = _CONTROL.sub("", data.decode("utf-8", "replace")).rstrip()
                log.write(line + "\n")
                log.flush()
                async with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        await process.wait()
        async with self._changed:
            self._changed.notify_all()
