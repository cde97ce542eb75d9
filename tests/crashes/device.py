"""A device whose agent is killed (SIGKILL) at any step, and started again until it has ended.

    python -m tests.crashes.device 1000        # that many seeds, from 0
    python -m tests.crashes.device 1 417       # seed 417 alone

Both halves run as processes of their own, forked so that a thousand devices take minutes. A seed
chooses which half dies, and at which of its steps: the n-th time that the process opens, renames or
removes a file, or makes or uses a socket (Python's audit events). It also chooses the story: the
update installs, a step of it fails, it is cancelled when a handler has been called so often, or the
network half dies while a handler works, which goes on working, and it is cancelled meanwhile.
What is reported is written down by a stand-in for the hub, with what was installed at that moment.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "agent"))

from odu_agent.agent import Agent  # noqa: E402
from odu_agent.config import AgentConfig  # noqa: E402
from odu_agent.contract.codes import ResultCode  # noqa: E402
from odu_agent.halves.server import InstallerServer  # noqa: E402
from odu_agent.handlers import StepContext, StepResult  # noqa: E402
from odu_agent.limits import DownloadLimits  # noqa: E402
from odu_agent.state import private_folder  # noqa: E402

from tests.crashes.processes import (  # noqa: E402
    DEATHS,
    PATIENCE_SECONDS,
    fork,
    is_alive,
    serve_content,
    wait_for,
    wait_for_file,
)
from tests.crashes.written_hub import (  # noqa: E402
    Desired,
    WrittenHub,
    codes_told,
    lines,
    note,
    twin_of,
)
from tests.unit.agent.content_server import ContentServer  # noqa: E402
from tests.unit.agent.fixtures import HANDLER, Update, config  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

type Services = tuple[dict[str, Any], dict[str, Any]]
"""What the twin asks for: the deployment, and its cancelling."""

FAILURE = 0x30500001
_MOST_STEPS = 110
_MOST_STARTS = 12
_ALONE_SECONDS = 0.6
_NEVER = 1000
_LIMITS = DownloadLimits(first_wait_seconds=0.01, attempts=3)


@dataclass(frozen=True)
class Story:
    """What becomes of the update: it installs, a step of it fails, or it is cancelled.

    `cancel_at` is the call of a handler at which the twin asks for that, counted over all lives; or
    it does so before, when the network half has died. `alone_at` is a call at which the network
    half is killed; the call goes on until the next life has had time to say something untrue.
    """

    failing_step: int | None = None
    cancel_at: int | None = None
    is_cancelled_while_dead: bool = False
    alone_at: int | None = None


class Installs:
    """A handler that keeps its contract, and writes down when it is asked to break it."""

    def __init__(self, folder: Path, story: Story) -> None:
        self._folder = folder
        self._story = story

    def is_installed(self, step: StepContext) -> StepResult:
        code = ResultCode.INSTALLED if self._is_there(step) else ResultCode.NOT_INSTALLED
        return StepResult(code)

    def install(self, step: StepContext) -> StepResult:
        self._begin("install")
        if self._is_there(step):
            note(self._folder, f"{step.files[0].name} installed twice")
        if step.index == self._story.failing_step:
            return StepResult(ResultCode.FAILURE, (FAILURE,), "it does not like the device")
        content = step.files[0].path.read_bytes()
        (self._folder / f"new-{step.index}").write_bytes(content)
        return StepResult(ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        self._begin("apply")
        (self._folder / f"new-{step.index}").replace(self._file(step))
        return StepResult(ResultCode.APPLY_SUCCESS)

    def download(self, step: StepContext) -> StepResult:
        self._begin("download")
        step.fetch_files()
        return StepResult(ResultCode.DOWNLOAD_SUCCESS)

    def backup(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def restore(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        return StepResult(ResultCode.CANCEL_SUCCESS)

    def _begin(self, action: str) -> None:
        """Note the call; the device must not work on what it has said to have ended."""
        if (self._folder / "said").exists():
            note(self._folder, f"{action} after the end was reported")
        with (self._folder / "calls").open("a") as file:
            file.write(f"{action}\n")
        if lines(self._folder / "calls") == self._story.alone_at:
            self._go_on_alone()

    def _go_on_alone(self) -> None:
        """Kill the network half and work on until its next life has spoken, or could have."""
        lives = lines(self._folder / "lives")
        network = int((self._folder / "lives").read_text().splitlines()[-1])
        os.kill(network, signal.SIGKILL)
        said, deadline = self._folder / "said", time.monotonic() + 30
        while lines(self._folder / "lives") == lives and time.monotonic() < deadline:
            time.sleep(0.01)
        deadline = time.monotonic() + _ALONE_SECONDS
        while not said.exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _file(self, step: StepContext) -> Path:
        return self._folder / f"installed-{step.index}"

    def _is_there(self, step: StepContext) -> bool:
        return self._file(step).exists()


def run_network(settings: AgentConfig, desired: Desired, folder: Path, device: Device) -> None:
    """The network half (or the only process) until a workflow's end is reported."""

    async def follow() -> None:
        hub = WrittenHub(desired, folder, device.steps)
        handlers = {HANDLER: Installs(folder, device.story)}
        agent = Agent(settings, handlers, client_factory=lambda _: hub, limits=_LIMITS)  # type: ignore[arg-type, return-value]
        running = asyncio.ensure_future(agent.run())
        cancelling = asyncio.ensure_future(hub.follow())
        await asyncio.wait_for(hub.ended.wait(), PATIENCE_SECONDS)
        await cancelling
        await agent.stop()
        await running

    asyncio.run(follow())


def run_installer(settings: AgentConfig, folder: Path, story: Story) -> None:
    """The installing half, for ever."""
    import socket

    assert settings.installer_socket is not None
    settings.installer_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(settings.installer_socket))
    listener.listen(4)
    own = private_folder(folder / "installer")
    handlers = {HANDLER: Installs(folder, story)}
    own_settings = replace(settings, installer_folder=own)
    InstallerServer(own_settings, listener, is_activated=False, handlers=handlers).run()  # type: ignore[arg-type]


@dataclass(frozen=True)
class Device:
    """What a seed has chosen."""

    update: Update
    story: Story
    deaths: tuple[int, ...]
    victims: tuple[str, ...]

    @property
    def steps(self) -> int:
        return len(self.update.contents)

    @classmethod
    def of(cls, seed: int, update: Update) -> Device:
        chance = random.Random(seed)
        deaths = tuple(chance.randint(1, _MOST_STEPS) for _ in range(chance.randint(1, 3)))
        victims = tuple(chance.choice(("network", "installer")) for _ in deaths)
        kind = chance.choice(("installs", "fails", "is cancelled", "is left alone"))
        if kind == "fails":
            story = Story(failing_step=chance.randrange(len(update.contents)))
        elif kind == "is cancelled":
            calls = chance.randint(0, 3 * len(update.contents))
            story = Story(cancel_at=calls, is_cancelled_while_dead=chance.random() < 0.5)
        elif kind == "is left alone":
            calls = chance.randint(1, 3 * len(update.contents))
            story = Story(cancel_at=_NEVER, is_cancelled_while_dead=True, alone_at=calls)
            deaths = (0, *deaths)
            victims = ("network", *victims)
        else:
            story = Story()
        return cls(update, story, deaths, victims)


def try_seed(seed: int, update: Update, services: Services, folder: Path) -> list[str]:
    """Let one device live through its deaths; returns what went wrong."""
    device = Device.of(seed, update)
    has_halves = seed % 2 == 0
    socket_path = folder / "s" if has_halves else None
    settings = config(folder / "data", simulator=None, installer_socket=socket_path)
    desired = Desired(*services, folder, device.story.cancel_at)
    start_installer = partial(run_installer, settings, folder, device.story)
    installer = 0
    try:
        for start in range(_MOST_STARTS):
            dies = device.deaths[start] if start < len(device.deaths) else 0
            victim = device.victims[start] if dies and has_halves else "network"
            if has_halves and not is_alive(installer):
                installer = fork(start_installer, dies if victim == "installer" else 0)
                wait_for_file(folder / "s")
            step = dies if victim == "network" else 0
            network = fork(partial(run_network, settings, desired, folder, device), step)
            if wait_for(network, lambda: _revive(settings, start_installer)) == 0:
                break
            if device.story.is_cancelled_while_dead:
                desired.cancel()
        else:
            note(folder, f"it has not ended after {_MOST_STARTS} starts")
    finally:
        for child in {installer, _REVIVED.pop("installer", 0)} - {0}:
            if is_alive(child):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    return verdict(folder, device)


_REVIVED: dict[str, int] = {}


def _revive(settings: AgentConfig, start_installer: Callable[[], None]) -> None:
    """As systemd does: another installing half for the one that has died."""
    if settings.installer_socket is None:
        return
    known = _REVIVED.get("installer", 0)
    probe = settings.installer_socket
    if known and is_alive(known):
        return
    import socket

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(probe))
    except OSError:
        _REVIVED["installer"] = fork(start_installer, 0)
        time.sleep(0.02)
    finally:
        connection.close()


def verdict(folder: Path, device: Device) -> list[str]:
    """What is wrong with how a device has ended."""
    faults = (folder / "faults").read_text().splitlines() if (folder / "faults").exists() else []
    agent, story = twin_of(folder).get("agent", {}), device.story
    whole = [_is_whole(folder, *item) for item in enumerate(device.update.contents.values())]
    faults += [f"step {index} is installed in part" for index, at in enumerate(whole) if at is None]
    code = agent.get("lastInstallResult", {}).get("resultCode")
    says_success = "installedUpdateId" in agent
    ended = agent.get("state"), code
    if story.failing_step is not None:
        is_right = ended == (255, 0) and not says_success
        is_right &= whole == [index < story.failing_step for index in range(device.steps)]
        is_right &= f"{FAILURE:08X}" in agent["lastInstallResult"]["extendedResultCodes"]
    elif says_success:
        # a cancel that comes too late changes nothing of what is installed
        is_right = ended in ((0, 700), (0, 200)) and all(whole)
    else:
        # -1: it was stopped, and what was installed stays; 200: nothing had been begun, or a later
        # life, which begins with the cancel, has said it after that
        is_right = story.cancel_at is not None and agent.get("state") == 0
        is_right &= code in (-1, 200) and (-1 in codes_told(folder) or not any(whole))
    if not is_right:
        faults.append(f"{story}: the twin says {agent}, installed are {whole}")
    return faults


def _is_whole(folder: Path, index: int, content: bytes) -> bool | None:
    """Whether a step is installed; None if in part."""
    file = folder / f"installed-{index}"
    if not file.exists():
        return False
    return True if file.read_bytes() == content else None


def main(first: int, count: int) -> int:
    """Try seeds from one on; returns how many devices ended badly, at most 1."""
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch) / "content"
        content.mkdir()
        server, port = serve_content(content)
        update = Update(
            ContentServer(url=f"http://127.0.0.1:{port}"),
            contents={"f1": b"payload one" * 100, "f2": b"payload two" * 200},
        )
        services = update.service("w"), update.cancel("w")
        for name, data in update.server.contents.items():
            (content / name).write_bytes(data)
        began = time.monotonic()
        for seed in range(first, first + count):
            folder = private_folder(Path(scratch) / f"{seed}")
            faults = try_seed(seed, update, services, folder)
            if faults:
                bad += 1
                print(f"seed {seed}: {'; '.join(faults)}", flush=True)
            shutil.rmtree(folder)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    seconds = time.monotonic() - began
    deaths = f"after {DEATHS[0]} deaths, in {seconds:.0f} s"
    print(f"{count - bad} of {count} devices ended truthfully {deaths}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    sys.exit(main(int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[1])))
