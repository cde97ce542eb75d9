"""What an earlier process had begun is told before all else, as it is and not as it was wished."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from odu_agent.agent import Agent
from odu_agent.contract.codes import ResultCode
from odu_agent.contract.manifest import ManifestStep, parse_update_manifest
from odu_agent.halves.frames import Frames
from odu_agent.halves.installer import Installer
from odu_agent.halves.messages import Order, order_to_json
from odu_agent.handlers import StepContext, StepResult
from odu_agent.handlers.simulator import Simulator
from odu_agent.operation import Operation
from odu_agent.state import DeviceState, private_folder
from odu_agent.unfinished import Unfinished, unfinished_from_json, unfinished_to_json
from odu_agent.workflow import parse_command

from tests.builders.agent_runs import agent, codes_of
from tests.unit.agent.content_server import ContentServer
from tests.unit.agent.fake_hub import FakeHub
from tests.unit.agent.fixtures import HANDLER, QUICK, Update, config
from tests.unit.contract import vectors

NOWHERE = ContentServer(url="http://127.0.0.1:9")


def _unfinished(service: dict[str, Any], *seen: str | None) -> Unfinished:
    command = parse_command(service)
    return Unfinished(Operation(command, parse_update_manifest(command.manifest), 7), seen)


def test_note_is_read_as_it_was_written() -> None:
    begun = _unfinished(Update(NOWHERE).service("w", "1"), None, "1")

    assert unfinished_from_json(unfinished_to_json(begun)) == begun


@pytest.mark.parametrize(
    "damage",
    [{"service": None}, {"service": {"workflow": 1}}, {"service": {"updateManifest": "{"}}],
)
def test_damaged_note_is_none(damage: dict[str, Any]) -> None:
    note = unfinished_to_json(_unfinished(Update(NOWHERE).service("w")))
    service = damage["service"] and {**note["service"], **damage["service"]}

    assert unfinished_from_json({**note, "service": service}) is None
    assert unfinished_from_json(None) is None


def test_only_the_same_deployment_is_wanted_still() -> None:
    update = Update(NOWHERE)
    begun = _unfinished(update.service("w"))

    assert begun.is_wanted(update.service("w"))
    assert begun.is_wanted(update.service("w", "a new retry"))
    for other in (update.cancel("w"), update.service("other"), update.cancel("other"), None, {}):
        assert not begun.is_wanted(other)


def _begin(folder: Path, service: dict[str, Any]) -> DeviceState:
    state = DeviceState(private_folder(folder))
    state.save_begun(unfinished_to_json(_unfinished(service, None)))
    return state


async def test_update_that_was_installed_before_its_cancel_was_heard_is_reported_as_installed(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    state = _begin(tmp_path, update.service("w"))
    state.save_root_key_package(vectors.signed_package())
    await hub.desire_service(update.cancel("w"))

    async with agent(hub, tmp_path, simulator={"isInstalled": {"*": {"resultCode": 900}}}):
        report = await hub.until_end("w")

    assert codes_of(report)[:2] == (0, 700)
    assert report["installedUpdateId"] == ('{"provider":"Contoso","name":"Vacuum","version":"1.0"}')
    assert len(hub.agent_reports()) == 1
    assert state.begun() is None


async def test_update_that_was_installed_in_part_is_reported_as_stopped_and_goes_no_further(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    state = _begin(tmp_path, update.service("w"))
    state.save_root_key_package(vectors.signed_package())
    await hub.desire_service(update.cancel("w"))

    async with agent(hub, tmp_path):
        report = await hub.until_end("w")
    async with agent(hub, tmp_path):
        await hub.desire_service(update.service("w", "1"))
        again = await hub.until_end("w", count=3)

    assert codes_of(report)[:2] == (0, -1)
    assert codes_of(again)[:2] == (0, 700), "a retry is followed"
    assert [name for name, _ in server.requests] == ["roots.json", "f1"]


async def test_update_that_another_has_replaced_meanwhile_is_told_before_that_begins(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    state = _begin(tmp_path, Update(server).service("old"))
    state.save_root_key_package(vectors.signed_package())
    await hub.desire_service(Update(server, "2.0").service("new"))

    async with agent(hub, tmp_path, simulator={"isInstalled": {"f1-1.0": {"resultCode": 900}}}):
        old = await hub.until_end("old")
        new = await hub.until_end("new")

    ends = [report for report in hub.agent_reports() if report["state"] == 0]
    assert ends == [old, new]
    assert '"1.0"' in old["installedUpdateId"]
    assert '"2.0"' in new["installedUpdateId"]


async def test_end_that_the_hub_has_not_taken_is_told_at_the_next_start_whatever_is_wanted_then(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    state = DeviceState(private_folder(tmp_path))
    ended: dict[str, Any] = {"deviceUpdate": {"agent": {"state": 0, "workflow": {"id": "w"}}}}
    state.save_end([], "w", ended)
    await hub.desire_service(update.cancel("w"))

    async with agent(hub, tmp_path):
        await hub.until_end("w", count=2)
    async with agent(hub, tmp_path):
        await hub.until_end("w", count=3)

    assert hub.reports[0] == ended
    assert hub.reports.count(ended) == 1, "it was taken, and is not sent again"
    assert state.unsent_report() is None


class Slow(Simulator):
    """Installs until it is let go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.has_begun, self.go_on = threading.Event(), threading.Event()

    def install(self, step: StepContext) -> StepResult:
        self.has_begun.set()
        assert self.go_on.wait(60)
        return super().install(step)


class Installing:
    """An installing half at work for a network half that has died."""

    def __init__(self, folder: Path) -> None:
        self.handler = Slow(private_folder(folder))
        settings = config(folder, installer_folder=folder, simulator=None)
        self.installer = Installer(settings, DeviceState(folder), {HANDLER: self.handler})
        # a step without files, so that nobody has to fetch them
        step = {"steps": (ManifestStep(HANDLER, (), {}),)}
        self.service = Update(NOWHERE, changes=step).service("w")
        self.threads: list[threading.Thread] = []
        first = self.ask()
        assert self.handler.has_begun.wait(60)
        first.close()

    def ask(self, *, is_cancelled: bool = False) -> Frames:
        here, there = socket.socketpair()
        here.settimeout(60)
        thread = threading.Thread(target=self.installer.serve, args=(Frames(there),))
        thread.start()
        self.threads.append(thread)
        frames = Frames(here)
        command = parse_command(self.service)
        order = Order(command, vectors.signed_package(), is_cancelled)
        frames.send("order", order_to_json(order))
        return frames

    def answer(self, frames: Frames) -> dict[str, Any]:
        while True:
            kind, members, _ = frames.receive()
            if kind == "result":
                frames.close()
                for thread in self.threads:
                    thread.join(60)
                return members


def _is_told(installing: Installing) -> bool:
    working = installing.installer._working
    assert working is not None
    return working[1].cancelled.wait(60)


def test_network_half_that_comes_back_stops_what_goes_on(tmp_path: Path) -> None:
    installing = Installing(tmp_path)

    frames = installing.ask(is_cancelled=True)
    assert _is_told(installing)
    installing.handler.go_on.set()

    assert installing.answer(frames)["ended"] == "cancelled"


def test_network_half_that_comes_back_hears_what_was_installed_meanwhile(tmp_path: Path) -> None:
    installing = Installing(tmp_path)
    installing.handler.go_on.set()
    installing.threads[0].join(60)

    answer = installing.answer(installing.ask(is_cancelled=True))

    assert (answer["ended"], answer["resultCode"]) == ("completed", ResultCode.APPLY_SUCCESS)


def test_order_that_waits_for_its_turn_and_is_given_up_is_not_carried_out(tmp_path: Path) -> None:
    installing = Installing(tmp_path)
    installing.ask().close()
    installing.threads[1].join(60)
    assert not installing.threads[1].is_alive()
    installing.handler.go_on.set()

    assert installing.answer(installing.ask())["ended"] == "completed"


async def test_installing_half_that_cannot_be_reached_is_never_reported_as_cancelled(
    hub: FakeHub, server: ContentServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odu_agent.halves.network._FIRST_WAIT_SECONDS", 0.01)
    update = Update(server)
    _begin(tmp_path, update.service("w"))
    await hub.desire_service(update.cancel("w"))
    settings = config(tmp_path, installer_socket=tmp_path / "nobody", simulator=None)

    running = Agent(settings, client_factory=hub.make_client, limits=QUICK)  # type: ignore[arg-type]
    task = asyncio.ensure_future(running.run())
    report = await hub.until_end("w")
    await running.stop()
    await task

    assert codes_of(report)[:2] == (255, 0)


@pytest.mark.parametrize(
    ("change", "seen", "code"),
    [
        ({"seen": None}, (), 7),
        ({"seen": "1"}, (), 7),
        ({"packageCode": "7"}, (None, "1"), 0),
        ({"packageCode": None}, (None, "1"), 0),
    ],
)
def test_what_is_damaged_beside_the_command_is_left_out(
    change: dict[str, Any], seen: tuple[str | None, ...], code: int
) -> None:
    note = unfinished_to_json(_unfinished(Update(NOWHERE).service("w", "1"), None, "1"))

    read = unfinished_from_json({**note, **change})

    assert read is not None
    assert (read.seen, read.operation.package_code) == (seen, code)


def test_what_the_twin_does_not_say_is_not_wanted() -> None:
    begun = _unfinished(Update(NOWHERE).service("w"))

    assert not begun.is_wanted(None)
    assert not begun.is_wanted({"workflow": 1})
