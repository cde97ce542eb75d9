"""Keepers over tiny real processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from local.stack import keeper as keeper_module
from local.stack.child import Part
from local.stack.errors import GaveUp
from local.stack.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READY = "print('ready {}', flush=True)"
UNTIL_EOF = "import sys; sys.stdin.read()"


class Lines:
    """Progress that remembers, and lets a test wait for a line."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._changed = asyncio.Event()

    def done(self, what: str, seconds: float, where: str) -> None:
        raise AssertionError("a keeper reports no steps")

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._changed.set()

    async def until(self, text: str) -> None:
        while not any(text in note for note in self.notes):
            self._changed.clear()
            await self._changed.wait()


class Site:
    """Makes keepers of one-line programs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines = Lines()
        self.restarts = 0
        self.keepers: list[Keeper] = []

    def keep(self, *program: str) -> Keeper:
        part = Part(
            name="part",
            argv=(sys.executable, "-c", "; ".join(program)),
            log=self.directory / "part.log",
        )
        keeper = Keeper(part, self.directory, self.lines, self._count)
        self.keepers.append(keeper)
        return keeper

    def _count(self) -> None:
        self.restarts += 1


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(keeper_module, "FIRST_BACK_OFF_SECONDS", 0.01)
    made = Site(tmp_path)
    yield made
    for keeper in made.keepers:
        await keeper.stop(0)


async def test_keeper_is_ready_once_its_part_says_so(site: Site) -> None:
    keeper = site.keep(READY.replace("{}", '{"port": 7}'), UNTIL_EOF)

    assert await keeper.ready() == ['ready {"port": 7}']
    assert keeper.pid is not None


async def test_keeper_logs_everything_a_part_prints(site: Site) -> None:
    keeper = site.keep("import os", "os.write(2, b'to stderr\\n')", READY, UNTIL_EOF)
    await keeper.ready()

    await keeper.stop()

    assert keeper.part.log.read_text() == "to stderr\nready {}\n"


async def test_keeper_restarts_a_part_that_was_killed(site: Site) -> None:
    keeper = site.keep(READY, UNTIL_EOF)
    await keeper.ready()
    first = keeper.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await site.lines.until("part runs again")

    assert site.restarts == 1
    assert keeper.pid not in (None, first)
    assert site.lines.notes[0].startswith("part ended unexpectedly (killed by signal 9)")


async def test_keeper_gives_up_and_shows_the_log_when_a_part_crashes_again_and_again(
    site: Site,
) -> None:
    keeper = site.keep("print('no such table')", "raise SystemExit(3)")

    with pytest.raises(GaveUp, match=r"(?s)part ended 5 times .*exit code 3.*no such table"):
        await keeper.task

    pauses = [float(re.findall(r"in ([\d.]+) s", note)[0]) for note in site.lines.notes]
    assert pauses == [0.01, 0.02, 0.04, 0.08]


async def test_keeper_does_not_count_crashes_of_long_ago(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "CRASH_WINDOW_SECONDS", 0.0)
    site.keep("raise SystemExit(3)")

    while len(site.lines.notes) < keeper_module.CRASHES_TO_GIVE_UP + 1:
        await site.lines.until(f"exit code {3}")
        await asyncio.sleep(0)

    assert all("restarting in 0.01 s" in note for note in site.lines.notes)


async def test_keeper_takes_a_part_that_never_gets_ready_for_crashed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "READY_SECONDS", 0.05)
    keeper = site.keep(UNTIL_EOF)

    await site.lines.until("it was not ready within")

    assert not keeper.task.done()


@pytest.mark.parametrize(
    "ignore", [(), ("import signal", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")]
)
async def test_keeper_stops_a_part_even_when_it_ignores_the_request(
    site: Site, ignore: tuple[str, ...]
) -> None:
    keeper = site.keep(*ignore, READY, UNTIL_EOF)
    await keeper.ready()
    pid = keeper.pid
    assert pid is not None

    await keeper.stop(0.1)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert keeper.task.done()
    assert site.lines.notes == []


async def test_keeper_stops_at_once_while_it_waits_to_restart(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "FIRST_BACK_OFF_SECONDS", 3600.0)
    monkeypatch.setattr(keeper_module, "LONGEST_BACK_OFF_SECONDS", 3600.0)
    keeper = site.keep("raise SystemExit(3)")
    await site.lines.until("restarting in 3600 s")

    async with asyncio.timeout(5):
        await keeper.stop()


async def test_keeper_stops_before_its_part_is_ready(site: Site) -> None:
    keeper = site.keep(UNTIL_EOF)

    async with asyncio.timeout(5):
        await keeper.stop()

    assert keeper.task.done()


async def test_part_inherits_its_descriptors_and_settings_alone(site: Site, tmp_path: Path) -> None:
    read, write = os.pipe()
    part = Part(
        name="part",
        argv=(sys.executable, "-c", _TELL_ENVIRONMENT, str(write), str(read)),
        log=tmp_path / "part.log",
        settings={"WORD": "hello"},
        descriptors=(write,),
    )
    keeper = Keeper(part, tmp_path, site.lines, lambda: None)
    site.keepers.append(keeper)
    await keeper.ready()

    os.close(write)
    with os.fdopen(read) as told:
        assert told.readline() == "hello, and no other descriptor\n"


_TELL_ENVIRONMENT = """
import os, sys
write, read = map(int, sys.argv[1:])
try:
    os.fstat(read)
    other = "another"
except OSError:
    other = "no other"
os.write(write, f"{os.environ['WORD']}, and {other} descriptor\\n".encode())
print("ready {}", flush=True)
sys.stdin.read()
"""
