"""Imports of small files, which go through all their stages in one message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from shared import messages
from shared.domain.errors import DependencyFailed
from shared.domain.operation import OperationStatus, Stage
from tests.builders.imports import (
    CHILD,
    MALWARE,
    OWN,
    SCRIPT,
    Begin,
    assert_clean,
    assert_complete,
    begin,
    by_drop,
    found,
    of_one,
    the_child,
    the_parent,
    update,
)
from tests.unit.services.world import INSTANCE, Trigger, World, a_source_manifest

LARGE = {"apply.sh": SCRIPT, "data.bin": bytes(300)}
MOST_BYTES = 256


class PromptWorld(World):
    """A world whose queue `import` does what it does in the service."""

    def _triggers(self) -> Mapping[type[messages.Message], Trigger]:
        at_once = self.services.imports.at_once
        at_once.most_bytes = MOST_BYTES
        return {
            **super()._triggers(),
            messages.FetchImport: lambda order: at_once.run(order.instance, order.operation),
        }


async def of_two(world: World) -> str:
    return await begin(world, the_parent(), the_child())


async def of_large(world: World) -> str:
    return await begin(world, a_source_manifest(LARGE), files=LARGE)


async def of_malware(world: World) -> str:
    found(MALWARE)(world)
    return await of_one(world)


async def test_small_import_takes_one_message_and_no_blob_trigger() -> None:
    world = PromptWorld()
    identity = await of_one(world)

    delivered = world.queues.take()
    for message in delivered:
        await world._deliver(message)

    assert len(delivered) == 1
    await assert_complete(world, identity, OWN)
    assert not any(name.endswith("scan.json") for _, name in world.blobs.created)
    assert len(world.topic.published) == 1


async def test_small_import_is_as_good_as_one_that_took_three_turns() -> None:
    prompt, usual = PromptWorld(), World()
    for world in (prompt, usual):
        await of_one(world)
        await world.drain()

    ours, theirs = await update(prompt), await update(usual)
    assert (ours.files, ours.content, ours.manifest) == (
        theirs.files,
        theirs.content,
        theirs.manifest,
    )
    for name in usual.blobs.names("content"):
        content, facts = prompt.blobs.contents["content", name]
        assert (content, facts.get("sha256")) == (
            usual.blobs.contents["content", name][0],
            usual.blobs.contents["content", name][1].get("sha256"),
        )


async def test_large_import_is_scanned_by_its_trigger() -> None:
    world = PromptWorld()
    identity = await of_large(world)
    await world._deliver(world.queues.take()[0])

    operation = await world.operation(identity)
    assert operation.stage is Stage.FETCH
    assert operation.bytes_done == operation.bytes_total > MOST_BYTES
    assert any(name.endswith("scan.json") for _, name in world.blobs.created)
    await world.drain()
    await assert_complete(world, identity, OWN)


async def test_import_waits_for_an_engine_that_tells_in_its_own_time() -> None:
    world = PromptWorld()
    world.scanner.reads_files = False
    identity = await of_one(world)
    await world._deliver(world.queues.take()[0])

    assert (await world.operation(identity)).stage is Stage.FETCH
    assert any(name.endswith("scan.json") for _, name in world.blobs.created)


async def test_malware_is_refused_at_once() -> None:
    world = PromptWorld()
    identity = await of_malware(world)
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "SourceFileMalwareDetected"
    assert operation.update_id == OWN
    assert world.blobs.names("content") == []
    assert_clean(world, operation)


async def test_scanner_that_fails_is_asked_again_without_a_second_fetch() -> None:
    world = PromptWorld()
    identity = await of_one(world)
    message = world.queues.take()[0]
    healthy = dict(world.scanner.verdicts)
    found(replace(MALWARE, status="error"))(world)
    with pytest.raises(DependencyFailed):
        await world.services.imports.at_once.run(INSTANCE, identity)
    asked = list(world.fetcher.asked)
    world.scanner.verdicts = healthy

    await world._deliver(message)

    await assert_complete(world, identity, OWN)
    assert [item for item in world.fetcher.asked if item not in asked] == []


@pytest.mark.parametrize("starting", [of_one, of_two, by_drop, of_large, of_malware])
async def test_import_ends_as_ever_after_a_crash_at_any_port_call(starting: Begin) -> None:
    quiet = PromptWorld()
    quiet.faults.crash_at(None)
    identity = await starting(quiet)
    await quiet.settle()
    expected = await quiet.operation(identity)

    for call in range(1, quiet.faults.calls + 1):
        world = PromptWorld()
        identity = await starting(world)
        world.faults.crash_at(call)
        await world.settle()

        operation = await world.operation(identity)
        assert operation.status is expected.status, f"at call {call}"
        if expected.status is OperationStatus.SUCCEEDED:
            names = (OWN, CHILD) if starting is of_two else (OWN,)
            await assert_complete(world, identity, *names)
        else:
            assert await world.published() == []
            assert_clean(world, operation)
