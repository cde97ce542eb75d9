"""The service as a whole, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odu_cli import PROGRAM
from odu_cli.exit_codes import ExitCode
from tests.unit.cli.service import Answer, Service

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Odu

FAILED = {
    "cause": "Failed",
    "message": "Not enough space.",
    "nextStep": "Free some.",
    "deviceCount": 1234,
    "code": "30101001",
    "filter": "failureCode eq '30101001'",
}
HELD = {
    "cause": "RolloutHeld",
    "message": "Roll-out 'r' to group 'g' waits for approval.",
    "nextStep": "Approve it.",
    "count": 1,
    "subject": "r",
    "groupId": "g",
}
REFUSED = {"cause": "RefusedImport", "message": "Malware.", "nextStep": "Import again.", "count": 2}


async def test_attention_says_what_to_do_and_what_lists_the_devices(
    odu: Odu, service: Service
) -> None:
    service.on("GET", "management/attention", Answer(body={"value": [FAILED, REFUSED, HELD]}))

    ended = await odu("service", "attention")

    assert ended.stdout.splitlines() == [
        "Failed: 1,234 devices",
        "  Not enough space.",
        "  Free some.",
        f"  {PROGRAM} device list --code 30101001",
        "RefusedImport: 2",
        "  Malware.",
        "  Import again.",
        "RolloutHeld: 1",
        "  Roll-out 'r' to group 'g' waits for approval.",
        "  Approve it.",
        f"  {PROGRAM} deployment status r --group g",
    ]


async def test_nothing_needs_attention(odu: Odu, service: Service) -> None:
    service.on("GET", "management/attention", Answer(body={"value": []}))

    people, programs = (
        await odu("service", "attention"),
        await odu("service", "attention", "--json"),
    )

    assert people.stderr.strip() == "nothing needs attention"
    assert programs.document == []


async def test_health_names_what_fails_and_fails_itself(odu: Odu, service: Service) -> None:
    health: dict[str, Any] = {"status": "Unhealthy", "version": "0.1.0"}
    broken = {"name": "tables", "isHealthy": False, "milliseconds": 7, "error": "out of reach"}
    queue = {"queue": "import", "messageCount": 3, "oldestMessageSeconds": 9.6}
    service.on("GET", "operations/health", Answer(body={**health, "dependencies": [broken]}))
    queues = [{**queue, "poisonMessageCount": 1}]
    service.on("GET", "operations/queues", Answer(body={"value": queues}))

    ended = await odu("service", "health")

    assert ended.code == ExitCode.FAILED
    assert "tables      failing   7  out of reach" in ended.stdout
    assert ended.stdout.splitlines()[-1].split() == ["import", "3", "10", "1"]
    assert (await odu("service", "health", "--json")).document["queues"] == queues


async def test_search_and_settings_are_shown(odu: Odu, service: Service) -> None:
    hit = {"kind": "group", "id": "pilot", "title": "pilot", "link": "management/groups/pilot"}
    service.on("GET", "search", Answer(body={"value": [hit]}))
    settings = {
        "pageSize": 100,
        "retentionDays": {"audit": 730},
        "scanEngines": ["yara-x", "clamd"],
    }
    service.on("GET", "management/settings", Answer(body=settings))
    scanners = [
        {"engine": "yara-x", "engineVersion": "1", "rulesVersion": "r"},
        {"engine": "clamd"},
    ]
    service.on("GET", "management/scanners", Answer(body={"value": scanners}))

    found = await odu("service", "search", "pi lot")
    shown = await odu("service", "settings")

    assert found.stdout.splitlines()[-1].split() == ["group", "pilot", "pilot"]
    assert service.requests[0].query == {"q": "pi lot"}
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines()[:3])
    assert lines["retentionDays.audit"] == "730"
    assert lines["scanEngines"] == "yara-x, clamd"
    assert "1, rules r" in shown.stdout
    assert "not reached" in shown.stdout


async def test_logs_of_one_device_of_a_collection_are_downloaded(
    odu: Odu, service: Service
) -> None:
    place = "management/deviceDiagnostics/logCollections/l1/files"
    service.on("GET", place, Answer(body={"value": []}))

    await odu("log", "download", "l1", "--device", "d'1/m")

    assert service.requests[0].query == {"filter": "deviceId eq 'd''1' and moduleId eq 'm'"}
