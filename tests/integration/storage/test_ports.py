"""One contract for the ports in memory and in Table Storage."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.storage import StorageAccounts
from shared.domain.domain_event import DomainEvent, EventKind
from shared.domain.errors import ConcurrentUpdate, LimitExceeded
from shared.domain.operation import Failure, ImportSource, OperationStatus
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.specification import Phase, Rollout, Select
from shared.domain.rollouts.transition import Step, Transition
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import Update, UpdateFile
from shared.domain.updates.update_id import Family, UpdateId
from shared.ports import Stored
from tests.builders.deployments import an_update
from tests.builders.fleet_rows import KIOSK
from tests.builders.ports import an_operation, every
from tests.integration.storage.conftest import Ports, tables_of
from tests.unit.domain.builders import (
    V1,
    V2,
    a_deployment,
)

ODD = ["lobby", "$default", "a/b", "a.b", "a-b", "a~b", "é#?\\%", "x" * 200]


def a_transition(at: str, step: Step) -> Transition:
    return Transition(
        at=at,
        actor="somebody",
        step=step,
        before=Status.SCHEDULED,
        after=Status.RUNNING,
        revision=2,
        figures={"asked": 3},
    )


def a_full_update() -> Update:
    related = UpdateFile(
        file_id="f2",
        filename="delta",
        size_bytes=5,
        sha256="aGFzaA==",
        hashes={"sha256": "aGFzaA=="},
        properties={"k": "v"},
    )
    verdict = Verdict(
        status="clean",
        engine="e",
        engine_version="1",
        rules_version="2",
        names=("n",),
        member_path="m",
        members_scanned=3,
        bytes_scanned=4,
        reason="r",
    )
    file = UpdateFile(
        file_id="f1",
        filename="image.bin",
        size_bytes=9,
        sha256="aA==",
        hashes={"sha256": "aA=="},
        properties=None,
        related_files=(related,),
        download_handler="microsoft/delta:1",
        verdicts=(verdict,),
    )
    return an_update(
        files=(file,),
        steps=({"handler": "h", "files": ["image.bin"], "handlerProperties": {"n": 1, "t": None}},),
        detached_manifest="m" * 100_000,
        description="Größe ✓",
        references=(V1,),
        referenced_by=(UpdateId("acme", "a", "1.0"),),
    )


async def test_update_is_published_once_and_read_as_it_was(ports: Ports, instance: str) -> None:
    update = a_full_update()

    assert await ports.updates.add(instance, update)
    assert not await ports.updates.add(instance, replace(update, operation_id="other"))

    stored = await ports.updates.get(instance, UpdateId("acme", "kiosk", "2.00"))
    assert stored is not None
    assert stored.value == update
    assert await ports.updates.get(instance, V1) is None
    await ports.updates.delete(instance, V2)
    await ports.updates.delete(instance, V2)
    assert await ports.updates.get(instance, V2) is None


async def test_update_is_saved_only_over_what_was_read(ports: Ports, instance: str) -> None:
    await ports.updates.add(instance, an_update())
    stored = await ports.updates.get(instance, V2)
    assert stored is not None
    changed = replace(stored.value, referenced_by=(V1,))

    etag = await ports.updates.save(instance, changed, stored.etag)

    with pytest.raises(ConcurrentUpdate):
        await ports.updates.save(instance, stored.value, stored.etag)
    await ports.updates.save(instance, changed, etag)


async def test_device_properties_are_held_only_over_what_was_read(
    ports: Ports, instance: str
) -> None:
    kiosk, (one, other) = dict(KIOSK.properties), (Family("acme", "a"), Family("acme", "b"))
    assert await ports.holders.of(instance, kiosk) is None
    await ports.holders.save(instance, kiosk, (one,), None)

    stored = await ports.holders.of(instance, dict(reversed(kiosk.items())))

    assert stored is not None
    assert stored.value == (one,)
    await ports.holders.save(instance, kiosk, (one, other), stored.etag)
    for etag in (None, stored.etag):
        with pytest.raises(ConcurrentUpdate):
            await ports.holders.save(instance, kiosk, (other,), etag)
    assert await ports.holders.of(instance, {**kiosk, "model": "gate"}) is None
    assert await ports.holders.of(instance + "x", kiosk) is None


async def test_updates_are_listed_by_provider_name_and_version(ports: Ports, instance: str) -> None:
    ids = [
        UpdateId(*parts)
        for parts in [
            ("acme", "kiosk", "1.9"),
            ("acme", "kiosk", "1.10"),
            ("acme", "kiosk", "1.10.0"),
            ("acme", "kiosk2", "1.0"),
            ("acme2", "kiosk", "1.0"),
        ]
    ]
    for update_id in reversed(ids):
        await ports.updates.add(instance, an_update(update_id))
    await ports.updates.add(instance + "x", an_update(UpdateId("acme", "kiosk", "7.0")))

    async def listed(**filters: str) -> list[UpdateId]:
        page = await ports.updates.list(instance, **filters)
        assert page.token is None
        return [item.value.update_id for item in page.items]

    assert await listed() == ids
    assert await listed(provider="acme") == ids[:4]
    assert await listed(provider="acme", name="kiosk") == ids[:3]
    assert await listed(provider="acm") == []
    assert await listed(provider="acme", name="kio") == []


async def test_listing_goes_on_where_a_page_ended(ports: Ports, instance: str) -> None:
    async def add(number: int) -> None:
        await ports.operations.add(instance, an_operation(f"{number:014d}-a"))

    await asyncio.gather(*(add(number) for number in range(130)))

    page = await ports.operations.list(instance, None)

    assert len(page.items) == 100
    assert page.token is not None
    found = await every(page, lambda token: ports.operations.list(instance, token))
    assert [item.value.operation_id for item in found] == [f"{n:014d}-a" for n in range(130)]


async def test_operation_stays_unsettled_until_its_events_are_told(
    ports: Ports, instance: str
) -> None:
    event = DomainEvent(
        identity="0" * 32,
        kind=EventKind.UPDATE_REFUSED,
        subject="updates/operations/b",
        at="",
        data={},
    )
    for name, status, events in (
        ("a", OperationStatus.RUNNING, ()),
        ("b", OperationStatus.FAILED, (event,)),
        ("c", OperationStatus.SUCCEEDED, ()),
    ):
        await ports.operations.add(instance, an_operation(name, status=status, events=events))

    async def listed(**asked: bool) -> list[str]:
        page = await ports.operations.list(instance, None, **asked)
        return [item.value.operation_id for item in page.items]

    assert await listed(is_unsettled=True) == ["a", "b"]
    assert await listed(is_running=True) == ["a"]
    stored = await ports.operations.get(instance, "b")
    assert stored is not None
    await ports.operations.save(instance, replace(stored.value, events=()), stored.etag)
    assert await listed(is_unsettled=True) == ["a"]


async def test_operation_is_read_as_it_was_saved(ports: Ports, instance: str) -> None:
    source = ImportSource(
        kind="url",
        manifest="sealed",
        manifest_size_bytes=5,
        manifest_sha256="hash",
        friendly_name="Friendly",
        files={"a.bin": "sealed"},
    )
    operation = an_operation("op-1", sources=(source,))
    assert await ports.operations.add(instance, operation)
    assert not await ports.operations.add(instance, operation)
    stored = await ports.operations.get(instance, "op-1")
    assert stored is not None
    assert stored.value == operation
    failure = Failure(
        code="C", message="M", target="t", details=(Failure("D", "d"),), inner=Failure("I", "i")
    )
    ended = replace(operation, failure=failure, update_id=V2, status=OperationStatus.FAILED)

    etag = await ports.operations.save(instance, ended, stored.etag)

    with pytest.raises(ConcurrentUpdate):
        await ports.operations.save(instance, operation, stored.etag)
    with pytest.raises(ConcurrentUpdate):
        await ports.operations.save(instance, an_operation("op-2"), stored.etag)
    again = await ports.operations.get(instance, "op-1")
    assert again == Stored(ended, etag)
    assert await ports.operations.get(instance, "none/../%") is None


async def test_history_is_written_with_the_deployment_and_goes_with_it(
    ports: Ports, instance: str
) -> None:
    rollout = Rollout(phases=(Phase(select=Select(percent=10)),))
    mine = replace(
        a_deployment("w1", group_id="north"), rollout=rollout, progress=Progress(since="t0")
    )
    other = a_deployment("w2", group_id="north", deployment_id=mine.deployment_id + ".log")
    created = a_transition("2026-01-01T00:00:00.000000+00:00", Step.CREATED)
    paused = a_transition("2026-01-02T00:00:00.000000+00:00", Step.PAUSED)
    resumed = a_transition("2026-01-02T00:00:00.000000+00:00", Step.RESUMED)

    assert await ports.deployments.add(instance, mine, [created])
    assert not await ports.deployments.add(instance, mine, [created])
    assert await ports.deployments.add(instance, other, [created])
    stored = await ports.deployments.get(instance, "north", mine.deployment_id)
    assert stored is not None
    assert stored.value == mine
    changed = replace(mine, revision=2)
    await ports.deployments.save(instance, changed, stored.etag, [paused, resumed])
    with pytest.raises(ConcurrentUpdate):
        await ports.deployments.save(instance, changed, stored.etag, [paused])

    first = await ports.deployments.history(instance, mine, token=None, size=2)
    assert list(first.items) == [created, paused]
    rest = await ports.deployments.history(instance, mine, token=first.token, size=2)
    assert (list(rest.items), rest.token) == ([resumed], None)
    assert len(await ports.deployments.of_group(instance, "north")) == 2
    assert len(await ports.deployments.of_instance(instance)) == 2
    assert await ports.deployments.count(instance, "north", 9) == 2
    assert len(await ports.deployments.starts(instance, "north")) == 2
    page = await ports.deployments.page(instance, "north", token=None, size=9)
    assert len(page.items) == 2

    await ports.deployments.delete(instance, "north", mine.deployment_id)
    again = replace(mine, workflow_id="w9")
    assert await ports.deployments.add(instance, again, [created])
    assert list((await ports.deployments.history(instance, again, token=None, size=9)).items) == [
        created
    ]
    assert list((await ports.deployments.history(instance, other, token=None, size=9)).items) == [
        created
    ]


@pytest.mark.parametrize("group", ODD)
async def test_deployments_of_a_group_stay_apart(ports: Ports, instance: str, group: str) -> None:
    mine = a_deployment("w1", group_id=group).canceled("class")
    await ports.deployments.add(instance, a_deployment("w2", group_id=group + "x"))
    await ports.deployments.add(instance + "x", a_deployment("w3", group_id=group))

    assert await ports.deployments.add(instance, mine)
    assert not await ports.deployments.add(instance, mine)

    (stored,) = await ports.deployments.of_group(instance, group)
    assert stored == await ports.deployments.get(instance, group, mine.deployment_id)
    assert stored.value == mine
    assert len(await ports.deployments.of_instance(instance)) == 2
    changed = replace(mine, is_fanned_out=True)
    await ports.deployments.save(instance, changed, stored.etag)
    with pytest.raises(ConcurrentUpdate):
        await ports.deployments.save(instance, mine, stored.etag)
    await ports.deployments.delete(instance, group, mine.deployment_id)
    await ports.deployments.delete(instance, group, mine.deployment_id)
    with pytest.raises(ConcurrentUpdate):
        await ports.deployments.save(instance, changed, stored.etag)
    assert await ports.deployments.of_group(instance, group) == []


async def test_document_that_no_row_can_hold_is_refused(
    accounts: StorageAccounts, instance: str
) -> None:
    with pytest.raises(LimitExceeded, match="larger"):
        await tables_of(accounts).updates.add(instance, an_update(manifest="x" * 500_000))
