"""No child of a run of tests outlives it, however the run ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local.stack.stray import MARK
from tests.processes import ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")

INNER = """
import asyncio, os, subprocess, sys
from pathlib import Path
from tests.azurite import start_azurite
from tests.processes import start_server

STUBBORN = '''
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
time.sleep(3600)
'''

async def test_waits_for_ever(tmp_path):
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    orphan = stubborn.stdout.readline().strip()
    async with start_azurite(tmp_path):
        (azurite,) = subprocess.check_output(["pgrep", "-P", str(os.getpid()), "node"]).split()
        Path(os.environ["INNER_PIDS"]).write_text(f"{orphan} {azurite.decode()}")
        await asyncio.Event().wait()
"""


def is_running(pid: int) -> bool:
    """Whether it is there and no mere zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_process_is_left_when_pytest_is_ended(
    tmp_path: Path, signum: signal.Signals, workers: tuple[str, ...]
) -> None:
    (tmp_path / "test_inner.py").write_text(INNER)
    found = tmp_path / "pids"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))}
    environment |= {"INNER_PIDS": str(found)}
    environment.pop(MARK, None)  # a run of its own
    output = (tmp_path / "output").open("wb")
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "pytest", "-q", "-p", "tests.leash"),
        *("-o", "asyncio_mode=auto", "--rootdir", str(tmp_path), *workers),
        str(tmp_path / "test_inner.py"),
        cwd=tmp_path,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )

    async def started() -> None:
        if run.returncode is not None:
            pytest.fail(f"the inner run has ended: {(tmp_path / 'output').read_text()}")
        assert found.exists()
        assert len(found.read_text().split()) == 2

    with output:
        await eventually(started)
    children = [int(pid) for pid in found.read_text().split()]
    assert all(map(is_running, children))

    run.send_signal(signum)
    await run.wait()

    async def all_ended() -> None:
        assert not any(map(is_running, children))

    await eventually(all_ended)
