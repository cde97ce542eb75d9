"""A device whose agent is killed (SIGKILL) at any step, and started again until it has ended.

    python -m tests.crashes.device 1000      # that many seeds, from 0

Both halves run as processes of their own, forked so that a thousand devices take minutes. A seed
chooses which half dies, and at which of its steps: the n-th time that the process opens, renames or
removes a file, or makes or uses a socket (Python's audit events). What is reported is written down
by a stand-in for the hub, with what was installed at that moment.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socketserver
import sys
import tempfile
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "agent"))

from odu_agent.agent import Agent  # noqa: E402
from odu_agent.config import AgentConfig  # noqa: E402
from odu_agent.contract.codes import ResultCode  # noqa: E402
from odu_agent.desired import merge  # noqa: E402
from odu_agent.halves.frames import Frames  # noqa: E402
from odu_agent.halves.installer import Installer  # noqa: E402
from odu_agent.handlers import StepContext, StepResult  # noqa: E402
from odu_agent.limits import DownloadLimits  # noqa: E402
from odu_agent.state import DeviceState, private_folder  # noqa: E402

from tests.unit.agent.content_server import ContentServer  # noqa: E402
from tests.unit.agent.fixtures import HANDLER, Update, config  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "socket.connect")
_MOST_STEPS = 110
_MOST_STARTS = 12
_LIMITS = DownloadLimits(first_wait_seconds=0.01, attempts=3)
_PATIENCE_SECONDS = 60.0


class Installs:
    """A handler that keeps its contract, and writes down when it is asked to break it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_installed(self, step: StepContext) -> StepResult:
        code = ResultCode.INSTALLED if self._is_there(step) else ResultCode.NOT_INSTALLED
        return StepResult(code)

    def install(self, step: StepContext) -> StepResult:
        if self._is_there(step):
            note(self._folder, f"{step.files[0].name} installed twice")
        content = step.files[0].path.read_bytes()
        (self._folder / f"new-{step.index}").write_bytes(content)
        return StepResult(ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        (self._folder / f"new-{step.index}").replace(self._file(step))
        return StepResult(ResultCode.APPLY_SUCCESS)

    def download(self, step: StepContext) -> StepResult:
        step.fetch_files()
        return StepResult(ResultCode.DOWNLOAD_SUCCESS)

    def backup(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def restore(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.CANCEL_SUCCESS)

    def _file(self, step: StepContext) -> Path:
        return self._folder / f"installed-{step.index}"

    def _is_there(self, step: StepContext) -> bool:
        return self._file(step).exists()


class WrittenHub:
    """The hub's side: the desired section is given, reports are appended to a file."""

    def __init__(self, desired: dict[str, Any], folder: Path, steps: int) -> None:
        self.on_twin_desired_properties_patch_received: Any = None
        self.identity = ("device", None)
        self._desired = desired
        self._folder = folder
        self._steps = steps
        self.ended = asyncio.Event()

    async def connect(self) -> None:
        pass

    async def get_twin(self) -> dict[str, Any]:
        return {"desired": self._desired}

    async def patch_twin_reported_properties(self, reported_properties_patch: Any) -> None:
        agent = reported_properties_patch.get("deviceUpdate", {}).get("agent", {})
        is_installed = len(list(self._folder.glob("installed-*"))) == self._steps
        if agent.get("state") == 0 and not is_installed:
            note(self._folder, "success was reported of what is not installed")
        with (self._folder / "reported").open("a") as file:
            file.write(json.dumps(reported_properties_patch) + "\n")
        if agent.get("state") in (0, 255):
            self.ended.set()

    async def shutdown(self) -> None:
        pass


def note(folder: Path, fault: str) -> None:
    """Write down what must not happen."""
    with (folder / "faults").open("a") as file:
        file.write(fault + "\n")


def die_at(step: int) -> None:
    """Have this process killed at its n-th step from now; 0 for never."""
    count = 0

    def hook(event: str, _: Any) -> None:
        nonlocal count
        if event in _STEPS:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    if step:
        sys.addaudithook(hook)


def fork(work: Callable[[], None], step: int) -> int:
    """Run something in a child that is killed at a step; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        die_at(step)
        work()
        code = 0
    finally:
        os._exit(code)


def run_network(settings: AgentConfig, desired: dict[str, Any], folder: Path, steps: int) -> None:
    """The network half (or the only process) until a workflow's end is reported."""

    async def follow() -> None:
        hub = WrittenHub(desired, folder, steps)
        handlers = {HANDLER: Installs(folder)}
        agent = Agent(settings, handlers, client_factory=lambda _: hub, limits=_LIMITS)  # type: ignore[arg-type, return-value]
        running = asyncio.ensure_future(agent.run())
        await asyncio.wait_for(hub.ended.wait(), _PATIENCE_SECONDS)
        await agent.stop()
        await running

    asyncio.run(follow())


def run_installer(settings: AgentConfig, folder: Path) -> None:
    """The installing half, for ever."""
    import socket

    assert settings.installer_socket is not None
    settings.installer_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(settings.installer_socket))
    listener.listen(4)
    own = private_folder(folder / "installer")
    installer = Installer(settings, DeviceState(own), {HANDLER: Installs(folder)})
    while True:
        connection, _ = listener.accept()
        installer.serve(Frames(connection))


def try_seed(seed: int, update: Update, service: dict[str, Any], folder: Path) -> list[str]:
    """Let one device live through its deaths; returns what went wrong."""
    chance = random.Random(seed)
    has_halves, steps = seed % 2 == 0, len(update.contents)
    socket_path = folder / "s" if has_halves else None
    settings = config(folder / "data", simulator=None, installer_socket=socket_path)
    component = {"__t": "c", "service": service}
    desired = {"deviceUpdate": component, "$version": 2, "$metadata": {}}
    installer = 0
    deaths = [chance.randint(1, _MOST_STEPS) for _ in range(chance.randint(1, 3))]
    victims = [chance.choice(("network", "installer")) for _ in deaths]
    try:
        for start in range(_MOST_STARTS):
            dies = deaths[start] if start < len(deaths) else 0
            victim = victims[start] if dies and has_halves else "network"
            if has_halves and not is_alive(installer):
                step = dies if victim == "installer" else 0
                installer = fork(partial(run_installer, settings, folder), step)
                _await(folder / "s")
            step = dies if victim == "network" else 0
            network = fork(partial(run_network, settings, desired, folder, steps), step)
            if wait_for(network, lambda: _revive(settings, folder)) == 0:
                break
        else:
            note(folder, f"it has not ended after {_MOST_STARTS} starts")
    finally:
        for child in {installer, _REVIVED.pop("installer", 0)} - {0}:
            if is_alive(child):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    return verdict(folder, update)


_REVIVED: dict[str, int] = {}


def _revive(settings: AgentConfig, folder: Path) -> None:
    """As systemd does: another installing half for the one that has died."""
    if settings.installer_socket is None:
        return
    known = _REVIVED.get("installer", 0)
    probe = folder / "s"
    if known and is_alive(known):
        return
    import socket

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(probe))
    except OSError:
        _REVIVED["installer"] = fork(partial(run_installer, settings, folder), 0)
        time.sleep(0.02)
    finally:
        connection.close()


def verdict(folder: Path, update: Update) -> list[str]:
    """What is wrong with how a device has ended."""
    faults = (folder / "faults").read_text().splitlines() if (folder / "faults").exists() else []
    reported: dict[str, Any] = {}
    lines = (folder / "reported").read_text().splitlines() if (folder / "reported").exists() else []
    for line in lines:
        reported = merge(reported, json.loads(line))
    agent = reported.get("deviceUpdate", {}).get("agent", {})
    result = agent.get("lastInstallResult", {})
    if (agent.get("state"), result.get("resultCode")) != (0, 700):
        faults.append(f"the twin says {agent.get('state')}, {result}")
    if '"version":"1.0"' not in agent.get("installedUpdateId", ""):
        faults.append("the twin does not say what is installed")
    for index, content in enumerate(update.contents.values()):
        file = folder / f"installed-{index}"
        if not file.exists() or file.read_bytes() != content:
            faults.append(f"step {index} is not installed, or in part")
    return faults


def is_alive(child: int) -> bool:
    """Whether a child still runs; one that has ended is let go."""
    if not child:
        return False
    try:
        done, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return False
    _count_death(status if done else 0)
    return not done


_DEATHS = [0]


def _count_death(status: int) -> None:
    if os.WIFSIGNALED(status):
        _DEATHS[0] += 1


def wait_for(child: int, meanwhile: Callable[[], None]) -> int:
    """The exit code of a child; 137 where it was killed."""
    deadline = time.monotonic() + 2 * _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _count_death(status)
            return os.waitstatus_to_exitcode(status)
        meanwhile()
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def _await(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


class _Content(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


def serve_content(folder: Path) -> tuple[int, int]:
    """Serve a folder from a child; returns its process id and its port."""
    server = socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), partial(_Content, directory=str(folder))
    )
    child = os.fork()
    if not child:
        server.serve_forever()
    return child, server.server_address[1]


def main(count: int) -> int:
    """Try seeds; returns how many devices ended badly, at most 1."""
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch) / "content"
        content.mkdir()
        server, port = serve_content(content)
        update = Update(
            ContentServer(url=f"http://127.0.0.1:{port}"),
            contents={"f1": b"payload one" * 100, "f2": b"payload two" * 200},
        )
        service = update.service("w")
        for name, data in update.server.contents.items():
            (content / name).write_bytes(data)
        began = time.monotonic()
        for seed in range(count):
            folder = private_folder(Path(scratch) / f"{seed}")
            faults = try_seed(seed, update, service, folder)
            if faults:
                bad += 1
                print(f"seed {seed}: {'; '.join(faults)}", flush=True)
            shutil.rmtree(folder)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    seconds = time.monotonic() - began
    deaths = f"after {_DEATHS[0]} deaths, in {seconds:.0f} s"
    print(f"{count - bad} of {count} devices ended truthfully {deaths}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    sys.exit(main(int(sys.argv[1])))
