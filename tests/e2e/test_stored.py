"""Stores that earlier releases have left are opened, and work goes on with them.

How a store is recorded: `tests/stored/__main__.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.rest import Rest
from local.stack.running import import_path, start
from shared.contract.codes import Action, AgentState, ResultCode
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import StepReport, result_report, workflow_member
from shared.domain.fleet.counters import is_later_cell
from tests.builders.times import times_without_offset
from tests.packages import make_package
from tests.product import Product
from tests.stored.recording import INSTANCES, Recording, bring_back, of_instance
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from local.stack.running import Stack
    from tests.sources import Sources

FOLDERS = sorted((Path(__file__).parents[1] / "data/stored").iterdir())


@pytest.fixture(scope="module", params=FOLDERS, ids=[folder.name for folder in FOLDERS])
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording.read(request.param)


@pytest.fixture(scope="module")
def opened(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The present release with the store of an earlier one."""
    state = tmp_path_factory.mktemp("stored")
    asyncio.run(bring_back(recording, state))
    with start(state, options=["--instance", INSTANCES[1]]) as stack:
        yield stack


@pytest.fixture(scope="module")
async def answers(opened: Stack, recording: Recording) -> list[Any]:
    """What REST says of what was recorded, before any test goes on with it."""
    found = []
    for instance in INSTANCES:
        async with Rest(opened.of(instance)) as rest:
            for line in of_instance(recording.answers, instance):
                found.append({**line, "now": await rest.get(line["path"])})
    return found


@pytest.fixture(scope="module")
async def product(
    opened: Stack, answers: list[Any], sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Product]:
    assert answers
    async with Rest(opened) as rest:
        yield Product(opened, rest, sources, tmp_path_factory.mktemp("devices"))


def test_rest_answers_as_recorded(answers: list[Any]) -> None:
    assert {each["instance"] for each in answers} == set(INSTANCES)
    for each in answers:
        assert lacking(each["answer"], each["now"]) == [], each["path"]


def test_times_in_every_answer_have_an_offset(answers: list[Any]) -> None:
    assert times_without_offset(["2024-05-01T00:00:00.123"])
    for each in answers:
        assert times_without_offset(each["now"]) == [], each["path"]


def lacking(recorded: Any, now: Any, place: str = "") -> list[str]:
    """What an answer no longer says. Members may join it, and those that said nothing may go.

    What still ran when it was recorded may have gone on; ETags and page tokens are made anew.
    Release 0.1.0 said the contract model for that of the twin, which is known once that is read.
    """
    if isinstance(recorded, dict) and recorded.get("status") == "Running":
        return []
    if isinstance(recorded, dict) and isinstance(now, dict):
        return [
            each
            for name, value in recorded.items()
            if name not in ("etag", "nextLink", "digitalTwinModelId") and (value or name in now)
            for each in lacking(value, now.get(name), f"{place}.{name}")
        ]
    if isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        return [
            each
            for index, (was, is_now) in enumerate(zip(recorded, now, strict=True))
            for each in lacking(was, is_now, f"{place}[{index}]")
        ]
    return [] if recorded == now else [f"{place}: {recorded!r} is now {now!r}"]


async def test_counters_of_the_store_are_those_of_its_rows(product: Product) -> None:
    """What the store did not count is counted once its buckets are recounted, within minutes."""

    async def are_the_same() -> None:
        stored, counted = (first_cells(rows) for rows in await product.storage.recount())
        assert stored == counted

    await product.eventually(are_the_same)


def first_cells(rows: dict[Any, dict[str, int]]) -> dict[Any, dict[str, int]]:
    return {
        place: {cell: count for cell, count in cells.items() if not is_later_cell(cell)}
        for place, cells in rows.items()
    }


async def test_poison_of_the_store_is_listed_and_replayed(product: Product) -> None:
    (listed,) = await poison(product, "list")
    assert listed["queue"] == "reconcile"

    async with product.fleet("south", "fan"):
        assert [one["replayedCount"] for one in await poison(product, "replay")] == [1]

        await product.until_counts("south", "poisoned", succeeded=1)


async def poison(product: Product, command: str) -> list[Any]:
    argv = [sys.executable, "-P", "-m", "local.cli", "poison", command, "--json"]
    argv += ["--state", product.stack.state]
    process = await create_subprocess_exec(*argv, env=import_path(), stdin=DEVNULL, stdout=PIPE)
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    found: list[Any] = json.loads(stdout)
    return found


async def test_device_ends_the_deployment_that_an_earlier_release_gave_it(
    product: Product,
) -> None:
    service = await product.service_of("toaster-0")
    workflow = workflow_member(Action.PROCESS_DEPLOYMENT, service["workflow"]["id"], None)
    report = result_report(
        AgentState.IDLE,
        ResultCode.APPLY_SUCCESS,
        workflow=workflow,
        installed_update_id=ManifestUpdateId(**make_package("toaster").update_id),
        step_results=[StepReport(ResultCode.APPLY_SUCCESS)],
    )

    async with product.device("toaster-0") as device:
        await device.patch_twin_reported_properties(report)

        await product.until_counts("west", "at-work", succeeded=1)


async def test_devices_of_the_store_take_up_a_new_update(product: Product) -> None:
    package = make_package("kettle", version="1.2")
    await product.publish(package)
    await product.rest.deploy("pilot", package.update_id, "pilot-1.2")
    await product.until_counts("pilot", "pilot-1.2", in_progress=3)

    async with product.fleet("pilot", "kettle", 2):
        await product.until_counts("pilot", "pilot-1.2", succeeded=2, in_progress=1)

    history = await product.rest.get("management/devices/kettle-0/updateHistory")
    assert [one["update"]["updateId"]["version"] for one in history["value"]] == [
        "1.2",
        "1.1",
        "1.0",
    ]


async def test_failed_devices_of_the_store_are_retried(product: Product) -> None:
    (failed,) = (await product.rest.get("management/groups/north/deployments/fails/status"))[
        "subgroupStatus"
    ]
    place = f"management/groups/north/deviceClassSubgroups/{failed['deviceClassId']}/deployments"
    await product.rest.request("POST", f"{place}/fails:retry")
    await product.until_counts("north", "fails", in_progress=2)

    async with product.fleet("north", "mixer", 2):
        await product.until_counts("north", "fails", succeeded=2)


async def test_import_that_waited_in_the_store_ends(product: Product, recording: Recording) -> None:
    """The storage that it is brought back to takes its manifest for one that was dropped later."""
    operations = next(line for line in recording.answers if line["path"] == "updates/operations")
    (waiting,) = (one for one in operations["answer"]["value"] if one["status"] == "Running")

    ended = await product.ended(f"updates/operations/{waiting['operationId']}")

    assert ended["error"]["code"] == "DropReplaced"


async def test_whole_fleet_of_the_store_is_read_again_and_counted_without_drift(
    product: Product,
) -> None:
    headers, _ = await product.rest.request("POST", "management/devices:import", "All")

    async def has_ended() -> None:
        operation = await product.rest.get(str(headers["Operation-Location"]))
        assert operation["status"] == "Succeeded"

    await eventually(has_ended, seconds=600)
    assert (await product.rest.get("management/eventHealth"))["counterDrifts"] == []
