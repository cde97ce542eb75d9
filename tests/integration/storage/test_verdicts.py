"""Verdicts, rules and results of Microsoft Defender on real storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from shared.adapters.keys import FernetSealer
from shared.adapters.queues import AzureQueues
from shared.adapters.scanning.scanner import YaraXScanner
from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.adapters.table_verdicts import TableVerdicts
from shared.domain.operation import Stage
from shared.domain.scanning.scan import Verdict
from shared.ports import Sample
from shared.services.scanning.defender import DefenderResults, DefenderScanner
from shared.services.scanning.evidence import Evidence
from shared.services.scanning.harm import HarmfulContent
from shared.services.scanning.rules import ACCEPTED, RULES, STATUS, ScanRules
from tests.builders.ports import an_operation, every
from tests.fakes.clock import FixedClock
from tests.fakes.updates import MemoryVerdicts
from tests.packages import sha256

if TYPE_CHECKING:
    from shared.adapters.blobs import AzureBlobs
    from shared.adapters.storage import StorageAccounts
    from shared.ports import Verdicts

CONTENT = sha256(b"content")
CLEAN = Verdict("clean", "yara-x", "1", "r1", members_scanned=2, bytes_scanned=7)
BAD = Verdict(
    status="malicious",
    engine="clamd",
    engine_version="1",
    rules_version="r1",
    names=("Worm",),
    member_path="!inner",
)


@pytest.fixture(params=["memory", "table"])
def verdicts(request: pytest.FixtureRequest, accounts: StorageAccounts) -> Verdicts:
    if request.param == "memory":
        return MemoryVerdicts()
    return TableVerdicts(Table(accounts, "Verdicts"))


async def test_last_verdict_of_each_engine_is_kept_by_content(
    verdicts: Verdicts, instance: str
) -> None:
    for verdict in (BAD, CLEAN, Verdict("unscannable", "yara-x", "1", "r2")):
        await verdicts.put(instance, CONTENT, verdict, may_be_delta=False, at="t1")
    await verdicts.put(instance, CONTENT, CLEAN, may_be_delta=True, at="t2")

    opened = await verdicts.on(instance, CONTENT, may_be_delta=False)
    opaque = await verdicts.on(instance, CONTENT, may_be_delta=True)
    listed = await every(
        await verdicts.list(instance), lambda token: verdicts.list(instance, token)
    )
    nothing = await verdicts.on(f"{instance}-2", CONTENT, may_be_delta=False)
    await verdicts.forget(instance, listed[0].sha256)

    assert sorted(item.rules_version for item in opened) == ["r1", "r2"]
    assert BAD in opened
    assert (list(opaque), list(nothing)) == ([CLEAN], [])
    assert sorted(item.at for item in listed) == ["t1", "t1", "t2"]
    assert await verdicts.on(instance, CONTENT, may_be_delta=False) == []


async def test_rules_come_from_a_blob_and_the_last_good_ones_outlive_bad_ones(
    blobs: AzureBlobs,
) -> None:
    scanner, later = YaraXScanner(), YaraXScanner()
    shipped = await scanner.knowledge()
    rules = ScanRules(blobs, scanner, FixedClock())
    await rules.refresh()
    assert await scanner.knowledge() == shipped

    await blobs.write("rules", RULES, b"rule Own { condition: false }")
    await rules.refresh()
    own = await scanner.knowledge()
    accepted = json.loads(await blobs.read("rules", STATUS) or b"")
    await blobs.write("rules", RULES, b"\xff\xfe")
    await rules.refresh()
    await ScanRules(blobs, later, FixedClock()).refresh()
    refused = json.loads(await blobs.read("rules", STATUS) or b"")

    assert own.rules_version != shipped.rules_version
    assert (accepted["status"], accepted["rulesVersion"]) == ("accepted", own.rules_version)
    assert (refused["status"], refused["reason"]) == (
        "refused",
        "The rules are refused: they are not UTF-8.",
    )
    assert await scanner.knowledge() == own == await later.knowledge()
    known = await blobs.metadata("rules", RULES)
    assert known is not None
    await blobs.delete("rules", RULES, known["etag"])
    await rules.refresh()
    assert await scanner.knowledge() == shipped
    assert await blobs.read("rules", ACCEPTED) is None
    await scanner.close()
    await later.close()


async def test_result_of_defender_is_found_by_blob_version_and_content(
    accounts: StorageAccounts, blobs: AzureBlobs, queues: AzureQueues, instance: str
) -> None:
    operations = TableOperations(Table(accounts, "Operations"))
    await operations.add(instance, an_operation("op", stage=Stage.SCAN, awaited=("f",)))
    name = f"{instance}/op/0/0"
    await blobs.write("quarantine", name, b"content")
    known = await blobs.metadata("quarantine", name)
    assert known is not None
    sample = Sample(CONTENT, 7, "f", blob=name, etag=known["etag"])
    evidence = Evidence(blobs, FernetSealer(Fernet.generate_key().decode()))
    scanner = DefenderScanner(evidence)
    before = await scanner.scan(sample, deadline_seconds=1)

    verdicts = TableVerdicts(Table(accounts, "Verdicts"))
    updates = TableUpdates(Table(accounts, "Updates"))
    harm = HarmfulContent(verdicts, updates, recalls=None, clock=FixedClock())  # type: ignore[arg-type]
    await DefenderResults(
        blobs=blobs, evidence=evidence, operations=operations, queues=queues, harm=harm
    ).receive(
        {
            "blobUri": blobs.address("quarantine", name),
            "eTag": known["etag"].strip('"'),
            "scanResultType": "Malicious",
            "scanResultDetails": {"malwareNamesFound": ["Virus:DOS/EICAR_Test_File"]},
        }
    )

    after = await scanner.scan(sample, deadline_seconds=1)
    await blobs.write("quarantine", name, b"content")
    rewritten = await blobs.metadata("quarantine", name)
    assert rewritten is not None
    other = Sample(CONTENT, 7, "f", blob=name, etag=rewritten["etag"])
    assert (before.status, after.status) == ("pending", "malicious")
    assert after.names == ("Virus:DOS/EICAR_Test_File",)
    assert (await scanner.scan(other, deadline_seconds=1)).status == "pending"
