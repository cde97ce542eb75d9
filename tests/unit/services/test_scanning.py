"""Several engines, verdicts that come by events, re-scans and recalls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared import messages
from shared.domain.domain_event import EventKind
from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.operation import Operation, OperationStatus
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import Update, hex_of
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.services.scanning.defender import DefenderScanner
from shared.settings import ScanSettings, Settings
from tests.builders.deployments import AT_ONCE, desired
from tests.fakes.scanning import CLEAN
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer, sha256

SCRIPT = b"#!/bin/sh\necho done\n"
FILES = {"apply.sh": SCRIPT}
OWN = UpdateId.parse(a_source_manifest(FILES)["updateId"])
CHILD, PARTS = replace(OWN, name="child"), [{"group": "parts"}]
BAD = replace(CLEAN, status="malicious", names=("Worm",), member_path="apply.sh!inner")
WAIT_SECONDS = 600.0


class ScanWorld(World):
    """The world with Microsoft Defender as a second engine, if asked, and with re-scans."""

    def __init__(self, *, has_defender: bool = False) -> None:
        self.has_defender = has_defender
        super().__init__()

    def ports(self) -> Any:
        ports = super().ports()
        if self.has_defender:
            ports.scanners = [*ports.scanners, DefenderScanner(ports.blobs)]
        return ports

    def settings(self) -> Settings:
        return replace(super().settings(), scan=ScanSettings(defender_wait_seconds=WAIT_SECONDS))

    async def begin(self, **changes: Any) -> str:
        """Ask for an import of `OWN`, changed as given."""
        item = offer(self, a_source_manifest(FILES, **changes), FILES)
        return await self.imports.start(INSTANCE, [item], "trace")

    async def step(self) -> None:
        """Deliver each message and blob event that is there now, once."""
        for message in [*self.queues.take(), *self._scan_requests()]:
            await self._deliver(message)

    async def waiting(self, **changes: Any) -> str:
        """An import that has come to wait for Defender."""
        identity = await self.begin(**changes)
        for _ in range(2):
            await self.step()
        assert (await self.operation(identity)).awaited == ("apply.sh",)
        return identity

    def event(self, identity: str, **changes: Any) -> dict[str, Any]:
        """What Defender tells of the file of an import."""
        name = f"{INSTANCE}/{identity}/0/0"
        facts = self.blobs.contents["quarantine", name][1]
        return {
            "blobUri": self.blobs.address("quarantine", name),
            "eTag": facts["etag"],
            "scanResultType": "No threats found",
            "scanResultDetails": {"sha256": hex_of(sha256(SCRIPT)).upper()},
            **changes,
        }

    async def shown(self, identity: str) -> models.Operation:
        """An operation as the REST API shows it."""
        stored = await self.operations.get(INSTANCE, identity)
        assert stored is not None
        return wire.operation(INSTANCE, stored, "2022-10-01")

    async def update(self, update_id: UpdateId = OWN) -> Update:
        stored = await self.updates.get(INSTANCE, update_id)
        assert stored is not None
        return stored.value


async def published(**changes: Any) -> ScanWorld:
    world = ScanWorld()
    await world.begin(**changes)
    await world.drain()
    assert await world.published()
    return world


async def running() -> ScanWorld:
    """The world with `OWN` on its way to a device."""
    world = await published()
    await world.tell(a_change(2, started()))
    await world.drain()
    await world.deploy.create(INSTANCE, DeploymentRequest("roll-1", "$default", OWN, AT_ONCE))
    await world.drain()
    assert desired(world)["workflow"]["action"] == 3
    return world


async def best(world: World) -> list[UpdateId | None]:
    return [known.best_update for known in await world.fleet.classes(INSTANCE)]


async def assert_recalled(world: ScanWorld, *, reason: str) -> None:
    """The update, its deployment and its device are stopped, once and for all."""
    recall = (await world.update()).recall
    assert recall is not None
    assert reason in recall.reason
    deployment = await world.deployment("roll-1")
    assert deployment.recall_reason == recall.reason
    assert deployment.subgroup("a class to come").is_canceled
    assert desired(world)["workflow"] == {"action": 255, "id": deployment.workflow_id}
    assert await best(world) == [None]
    assert world.queues.messages == []


async def test_import_waits_for_a_verdict_that_comes_by_an_event() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    assert await world.published() == []
    shown = await world.shown(identity)
    assert (shown.stage, shown.bytes_done, shown.bytes_total) == ("scan", len(SCRIPT), len(SCRIPT))
    assert (shown.files_scanned, shown.files_total, shown.awaited_files) == (0, 1, ["apply.sh"])

    await world.results.receive(world.event(identity))
    await world.drain()

    shown = await world.shown(identity)
    assert (shown.status, shown.awaited_files) == ("Succeeded", None)
    assert (shown.files_scanned, shown.files_total) == (1, 1)
    (file,) = (await world.update()).files
    assert [(each.engine, each.status) for each in file.verdicts] == [
        ("memory", "clean"),
        ("defender", "clean"),
    ]
    assert world.scanner.scans == 1
    assert world.blobs.names("quarantine") == []


async def test_verdict_may_come_before_the_scan_and_more_than_once() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.begin()
    await world.step()

    for _ in range(2):
        await world.results.receive(world.event(identity))
    await world.drain()
    await world.results.receive({**world_event_of(identity), "scanResultType": "Malicious"})

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED
    assert world.blobs.names("quarantine") == []


def world_event_of(identity: str) -> dict[str, Any]:
    """An event on an import that is over."""
    uri = f"https://memory.example/quarantine/{INSTANCE}/{identity}/0/0"
    return {"blobUri": uri, "eTag": "0x8D"}


FOREIGN: dict[str, dict[str, Any]] = {
    "another version": {"eTag": "0x8DOTHER"},
    "other content": {"scanResultDetails": {"sha256": "00" * 32}},
    "another account": {"blobUri": "https://other.example/quarantine/factory/x/0/0"},
    "another container": {"blobUri": "https://memory.example/content/factory/x/0/0"},
    "unknown import": {"blobUri": "https://memory.example/quarantine/factory/unknown/0/0"},
    "no version": {"eTag": None},
    "a version that is a path": {"eTag": "../../x"},
    "no blob": {"blobUri": None},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("result", ["No threats found", "Malicious"])
async def test_verdict_on_something_else_changes_nothing_and_the_wait_ends_in_an_error(
    changes: dict[str, Any], result: str
) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    before = list(world.queues.messages)

    await world.results.receive(world.event(identity, scanResultType=result, **changes))
    looks = [item for item in world.queues.messages if item not in before]
    await world.drain()

    assert looks == [] or "eTag" in changes or "scanResultDetails" in changes
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.inner is not None
    is_of_these_bytes = changes in (FOREIGN["another version"], FOREIGN["unknown import"])
    if result == "Malicious" and is_of_these_bytes:
        assert operation.failure.inner.code == "SourceFileMalwareDetected"
    else:
        assert operation.failure.inner.code == "SourceFilePendingMalwareAnalysis"
        assert "Within 600 s" in operation.failure.message
    assert operation.failure.target == "apply.sh"
    assert await world.published() == []
    assert world.blobs.names("quarantine") == []


async def test_malware_that_is_told_of_while_publication_waits_stops_it() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    await world.results.receive(world.event(identity))
    await world.step()
    assert (await world.operation(identity)).stage == "publish"

    late = {"scanResultType": "Malicious", "scanResultDetails": {}}
    await world.results.receive(world.event(identity, **late))
    await world.drain()

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "SourceFileMalwareDetected"
    assert await world.published() == []


@pytest.mark.parametrize("container", ["quarantine", "content"])
async def test_malware_that_is_told_of_after_publication_recalls_the_update(container: str) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity, scanResultType="Malicious")
    await world.results.receive(world.event(identity))
    await world.drain()
    assert (await world.update()).recall is None
    if container == "content":
        name = f"{INSTANCE}/{hex_of(sha256(SCRIPT))}"
        etag = world.blobs.contents["content", name][1]["etag"]
        uri = world.blobs.address("content", name)
        event |= {"blobUri": uri, "eTag": etag, "scanResultDetails": None}
        await world.results.receive({**event, "eTag": "0x8DOTHER"})
        assert (await world.update()).recall is None

    await world.results.receive(event)

    recall = (await world.update()).recall
    assert recall is not None
    assert recall.reason == "File 'apply.sh' holds malware: unnamed malware (defender)."


async def test_malware_of_other_content_leaves_an_update_alone() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    other = {"scanResultType": "Malicious", "scanResultDetails": {"sha256": "00" * 32}}
    event = world.event(identity, **other)
    await world.results.receive(world.event(identity))
    await world.drain()

    await world.results.receive({**event, "eTag": "0x8DOTHER"})

    assert (await world.update()).recall is None


async def test_bytes_that_were_changed_in_quarantine_are_not_published_under_a_clean_hash() -> None:
    world = await published()
    identity = await world.begin(updateId={**OWN.to_wire(), "version": "9.9"})
    await world.step()
    name = f"{INSTANCE}/{identity}/0/0"
    _, facts = world.blobs.contents["quarantine", name]
    for blob in [key for key in world.blobs.contents if key[0] == "content"]:
        del world.blobs.contents[blob]
    world.blobs.contents["quarantine", name] = (b"#!/bin/evil", facts)
    await world.drain()

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "HashMismatch"
    assert [each.version for each in await world.published()] == [OWN.version]
    assert world.blobs.names("content") == []


@pytest.mark.parametrize(
    "said",
    [
        {"scanResultType": "No threats found "},
        {"scanResultType": "no threats found"},
        {"scanResultType": ""},
        {"scanResultType": None},
    ],
)
async def test_clean_is_only_what_is_spelt_exactly_so(said: dict[str, Any]) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()

    await world.results.receive(world.event(identity, **said))
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.FAILED


async def test_clean_is_not_what_comes_without_details() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity)
    del event["scanResultDetails"]

    await world.results.receive(event)
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.FAILED


RESULTS = {
    "Malicious": "SourceFileMalwareDetected",
    "Not scanned": "SourceFileUnscannable",
    "Error": "SourceFilePendingMalwareAnalysis",
    "Something new": "SourceFilePendingMalwareAnalysis",
}


@pytest.mark.parametrize("result", RESULTS)
async def test_only_a_known_word_of_defender_lets_content_pass(result: str) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    details = {"malwareNamesFound": ["Trojan:X"], "notScannedReason": "encrypted"}

    await world.results.receive(world.event(identity, scanResultType=result))
    await world.results.receive(
        world.event(identity, scanResultType=result, scanResultDetails=details)
    )
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    codes = {operation.failure.code, operation.failure.inner and operation.failure.inner.code}
    assert RESULTS[result] in codes
    assert await world.published() == []


async def test_same_content_is_scanned_again_only_when_the_engine_knows_more() -> None:
    world = await published()
    ids = [replace(OWN, version=f"2.{number}") for number in range(3)]

    await world.begin(updateId=ids[0].to_wire())
    await world.drain()
    reused = world.scanner.scans
    world.scanner.rules_version = "2"
    await world.begin(updateId=ids[1].to_wire())
    await world.drain()

    assert (reused, world.scanner.scans) == (1, 2)
    versions = [(await world.update(each)).files[0].verdicts[0].rules_version for each in ids[:2]]
    assert versions == ["1", "2"]


async def test_rescan_recalls_what_new_rules_find() -> None:
    world = await running()
    await world.rescan.check()
    await world.drain()
    first = world.scanner.scans
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = BAD

    await world.rescan.check()
    await world.drain()
    for _ in range(2):
        await world.rescan.check()
    await world.drain()

    assert (first, world.scanner.scans) == (1, 2)
    await assert_recalled(world, reason="'apply.sh!inner': Worm (memory, rules 2)")
    (file,) = (await world.update()).files
    assert file.verdicts[0].status == "malicious"
    assert world.audited() == [("Automatic", "recall_update", OWN.path)]
    with pytest.raises(Conflict, match=r"was recalled: .*Worm") as refused:
        await world.deploy.create(INSTANCE, DeploymentRequest("roll-2", "$default", OWN, AT_ONCE))
    assert refused.value.code == "UpdateRecalled"
    with pytest.raises(Conflict):
        await world.deploy.retry(INSTANCE, "$default", "any", "roll-1")
    page = await world.operations.list(INSTANCE, None, kind="rescan")
    assert [item.value.status for item in page.items] == [OperationStatus.SUCCEEDED] * 2


async def test_rescan_says_that_it_could_not_look_and_is_made_again_later() -> None:
    world = await published()
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = replace(CLEAN, status="error", reason="no memory")
    await world.rescan.check()
    await world.drain()

    (failed,) = await rescans(world)
    world.scanner.verdicts.clear()
    await world.rescan.check()
    soon = len(await rescans(world))
    world.clock.advance(3601)
    await world.rescan.check()
    await world.drain()

    assert failed.failure is not None
    assert "no memory" in failed.failure.message
    assert (failed.status, soon) == (OperationStatus.FAILED, 1)
    assert (await rescans(world))[0].status is OperationStatus.SUCCEEDED
    assert (await world.update()).recall is None


async def rescans(world: World) -> list[Operation]:
    page = await world.operations.list(INSTANCE, None, kind="rescan")
    return [item.value for item in page.items]


async def test_rescan_goes_through_every_file_of_every_update() -> None:
    world = ScanWorld()
    for number in range(4):
        files = {f"{name}{number}": f"{name} {number}".encode() for name in "abc"}
        manifest = a_source_manifest(files, updateId={**OWN.to_wire(), "version": f"3.{number}"})
        await world.imports.start(INSTANCE, [offer(world, manifest, files)], "trace")
    await world.drain()
    world.scanner.rules_version = "2"

    one = await world.rescan.start(INSTANCE, "trace")
    same = await world.rescan.start(INSTANCE, "trace")
    await world.drain()

    assert one == same
    assert world.scanner.scans == 24
    operation = await world.operation(one)
    assert (operation.status, operation.files_scanned) == (OperationStatus.SUCCEEDED, 12)
    for update_id in await world.published():
        files_of = (await world.update(update_id)).files
        assert {each.verdicts[0].rules_version for each in files_of} == {"2"}


async def test_recall_of_a_part_takes_its_parent_along() -> None:
    world = ScanWorld()
    reference = {"type": "reference", "updateId": CHILD.to_wire()}
    steps = [*a_source_manifest(FILES)["instructions"]["steps"], reference]
    parent = a_source_manifest(FILES, instructions={"steps": steps})
    child = a_source_manifest(FILES, updateId=CHILD.to_wire(), compatibility=PARTS)
    items = [offer(world, each, FILES) for each in (parent, child)]
    await world.imports.start(INSTANCE, items, "trace")
    await world.drain()

    await world.recalls.start(INSTANCE, CHILD, "burns the flash")
    await world.drain()
    again = await world.recalls.start(INSTANCE, CHILD, "another reason")
    await world.drain()
    late = await world.begin(updateId={**OWN.to_wire(), "version": "9.9"}, **steps_of(reference))
    await world.drain()

    whole, part = (await world.update()).recall, (await world.update(CHILD)).recall
    assert part is not None
    assert whole is not None
    assert part.reason == "burns the flash"
    assert whole.reason == f"It holds the recalled update '{CHILD}': burns the flash"
    assert again.value.recall == part
    told = {
        event.subject
        for _, event in world.topic.published
        if event.kind is EventKind.UPDATE_RECALLED
    }
    assert len(told) == 2
    assert world.audited() == [("Automatic", "recall_update", OWN.path)]  # the child by request
    failure = (await world.operation(late)).failure
    assert failure is not None
    assert failure.inner is not None
    assert failure.inner.code == "ReferenceRecalled"
    with pytest.raises(NotFound):
        await world.recalls.start(INSTANCE, replace(CHILD, version="7.7"), "why")


def steps_of(reference: dict[str, Any]) -> dict[str, Any]:
    inline = a_source_manifest(FILES)["instructions"]["steps"]
    return {"instructions": {"steps": [*inline, reference]}}


async def test_recall_order_of_an_update_that_was_imported_anew_changes_nothing() -> None:
    world = await running()
    order = messages.StopRecalled(instance=INSTANCE, update=OWN, made_by="older", reason="why")

    await world.recalls.run(order)
    await world.drain()

    assert (await world.update()).recall is None
    assert (await world.deployment("roll-1")).recall_reason is None


@pytest.mark.parametrize("call", range(1, 40))
async def test_recall_ends_the_same_after_a_crash_at_any_port_call(call: int) -> None:
    world = await running()
    world.scanner.rules_version = "2"
    world.scanner.verdicts[SCRIPT] = BAD
    await world.rescan.start(INSTANCE, "trace")
    world.faults.crash_at(call)

    await world.settle()
    await world.settle()

    await assert_recalled(world, reason="Worm")


@pytest.mark.parametrize("call", range(1, 12))
async def test_verdict_is_not_lost_when_its_receiver_dies(call: int) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity)
    world.faults.crash_at(call)

    try:
        await world.results.receive(event)
    except Exception:  # noqa: BLE001 (Event Grid delivers it again)
        await world.results.receive(event)
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED


async def test_verdicts_are_kept_as_long_as_their_content_or_for_a_month() -> None:
    world = await published()
    refused = b"#!/bin/sh\nworm\n"
    world.scanner.verdicts[refused] = BAD
    files = {"w.sh": refused}
    manifest = a_source_manifest(files, updateId=CHILD.to_wire(), compatibility=PARTS)
    item = offer(world, manifest, files)
    await world.imports.start(INSTANCE, [item], "trace")
    await world.drain()

    async def known() -> list[bool]:
        found = [
            await world.verdicts.on(INSTANCE, sha256(each), may_be_delta=False)
            for each in (SCRIPT, refused)
        ]
        return [bool(each) for each in found]

    await world.sweep.run()
    young = await known()
    world.clock.advance(31 * 24 * 3600)
    await world.sweep.run()

    assert (young, await known()) == ([True, True], [True, False])


async def test_verdicts_show_the_name_that_the_content_has_this_time() -> None:
    verdict = Verdict(
        status="malicious",
        engine="memory",
        engine_version="1",
        rules_version="1",
        names=("W",),
        member_path="a.zip!x",
    )

    assert verdict.named("a.zip", "").named("", "b.zip").member_path == "b.zip!x"
    assert CLEAN.named("a", "b") == CLEAN
