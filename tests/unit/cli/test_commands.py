"""What commands ask the service for, and what they make of its answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from odu_cli.exit_codes import ExitCode
from odu_cli.watching import measure
from tests.packages import make_package, sha256
from tests.sources import Sources
from tests.unit.cli.conftest import TOKEN, Odu
from tests.unit.cli.service import PREFIX, Answer, Service

if TYPE_CHECKING:
    from pathlib import Path

from tests.builders.cli_answers import an_operation

OPERATION = "updates/operations/o1"


CHILD = {"provider": "acme", "name": "part", "version": "1.0"}


def import_starts(service: Service) -> None:
    location = {"Operation-Location": f"{PREFIX}{OPERATION}?api-version=2022-10-01"}
    service.on("POST", "updates:import", Answer(202, headers=location))


def write(folder: Path, manifest: bytes, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path = folder / "an.importmanifest.json"
    path.write_bytes(manifest)
    return path


async def test_list_prints_every_page_in_order(odu: Odu, service: Service) -> None:
    def page(name: str, link: str | None) -> Answer:
        item = {
            "updateId": {"provider": "contoso", "name": name, "version": "1.0"},
            "importedDateTime": "2026-01-01T00:00:00.1234567+00:00",
        }
        return Answer(body={"value": [item], "nextLink": link})

    service.on("GET", "updates", page("one", f"{PREFIX}page?token=a%2Bb%2F%3D"))
    service.on("GET", "page", page("two", None))

    people = await odu("update", "list", "--search", "a b&c")
    programs = await odu("update", "list", "--json")

    assert people.code == programs.code == 0
    assert [line.split()[0] for line in people.stdout.splitlines()] == [
        "UPDATE",
        "contoso/one/1.0",
        "contoso/two/1.0",
    ]
    assert [item["updateId"]["name"] for item in programs.document] == ["one", "two"]
    assert service.requests[0].query == {"search": "a b&c"}
    assert service.requests[1].query == {"token": "a+b/="}
    assert {request.token for request in service.requests} == {TOKEN}


async def test_list_says_so_when_there_is_nothing(odu: Odu, service: Service) -> None:
    service.on("GET", "management/groups", Answer(body={"value": []}))

    ended = await odu("group", "list")

    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr == "there are no groups yet\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), None),
        (("--group", "o'neil"), "groupId eq 'o''neil'"),
        (("--class", "abc"), "deviceClassId eq 'abc'"),
        (("-g", "g", "--status", "failed"), "groupId eq 'g' and deploymentStatus eq 'Failed'"),
        (("-g", "g", "--status", "none"), "groupId eq 'g' and deploymentStatus eq null"),
    ],
)
async def test_device_list_writes_the_filter_of_the_api(
    odu: Odu, service: Service, arguments: tuple[str, ...], wanted: str | None
) -> None:
    service.on("GET", "management/devices", Answer(body={"value": []}))

    await odu("device", "list", *arguments)

    assert service.requests[0].query.get("filter") == wanted


async def test_device_count_takes_the_same_options_and_says_what_counters_know(
    odu: Odu, service: Service
) -> None:
    answers = Answer(body={"deviceCount": 12}), Answer(body={})
    service.on("GET", "management/devices:count", *answers)
    told = await odu("device", "count", "-g", "g", "--condition", "silent")
    untold = await odu("device", "count", "--prefix", "d")

    assert service.requests[0].query["filter"] == "groupId eq 'g' and state eq 'Silent'"
    assert "12 devices" in told.stdout + told.stderr
    assert "counters do not tell" in untold.stdout + untold.stderr


async def test_update_list_filters_and_orders(odu: Odu, service: Service) -> None:
    service.on("GET", "updates", Answer(body={"value": []}))

    await odu("update", "list", "--not-deployable", "--recalled", "--newest")

    query = service.requests[0].query
    assert query["filter"] == "isDeployable eq false and recall ne null"
    assert query["orderby"] == "importedDateTime desc"


async def test_names_of_others_cannot_command_the_terminal(odu: Odu, service: Service) -> None:
    device = {
        "deviceId": "evil\x1b[2J",
        "deviceClassId": "c",
        "onLatestUpdate": False,
        "lastInstallResult": {
            "resultCode": 0,
            "extendedResultCode": -2144337920,
            "resultDetails": "[bold]\x1b]0;owned\x07",
        },
    }
    service.on("GET", "management/devices/$default", Answer(body=device))

    ended = await odu("device", "show", "$default")

    assert "\x1b" not in ended.stdout
    assert "\x07" not in ended.stdout
    assert "[bold]" in ended.stdout
    assert "0x80300000" in ended.stdout


async def test_history_of_a_device_lists_updates_with_the_code_of_a_failure(
    odu: Odu, service: Service
) -> None:
    entry = {
        "update": {"updateId": {"provider": "contoso", "name": "toaster", "version": "1.0"}},
        "state": "Failed",
        "retryCount": 0,
        "deploymentId": "d-1",
        "failure": {"code": "A0200004", "message": "Wrong.", "nextStep": "Import it again."},
    }
    page = Answer(body={"value": [entry]})
    service.on("GET", "management/devices/d1/modules/m1/updateHistory", page)

    ended = await odu("device", "history", "d1/m1")

    assert "contoso/toaster/1.0" in ended.stdout
    assert "A0200004" in ended.stdout


async def test_events_show_what_was_refused_and_what_had_drifted(
    odu: Odu, service: Service
) -> None:
    when = "2024-05-01T10:00:00+00:00"
    drift = {"groupId": "lobby", "deviceClassId": "c", "counter": "total", "found": -3}
    health = {
        "refusedEvents": [{"reason": "ForeignHub", "count": 7, "lastDateTime": when}],
        "recountedBucketCount": 256,
        "oldestRecountDateTime": when,
        "counterDrifts": [{**drift, "counted": 1, "driftedDateTime": when}],
    }
    service.on("GET", "management/eventHealth", Answer(body=health))

    shown, printed = await odu("device", "events"), await odu("device", "events", "--json")

    assert all(text in shown.stdout for text in ("ForeignHub", "7", "lobby", "-3"))
    assert json.loads(printed.stdout) == health


async def test_import_serves_the_files_until_the_service_has_them(
    odu: Odu, service: Service, tmp_path: Path
) -> None:
    package = make_package("toaster", files={"a b=c.sh": b"one", "big.bin": b"two" * 100_000})
    manifest = write(tmp_path, package.manifest, package.files)
    import_starts(service)
    fetched: dict[str, bytes] = {}

    async def fetch() -> None:
        [request] = service.asked_for("POST", "updates:import")
        [item] = request.body
        urls = {file["filename"]: file["url"] for file in item["files"]}
        async with aiohttp.ClientSession() as session:
            for name, url in {**urls, "": item["importManifest"]["url"]}.items():
                async with session.get(url) as response:
                    fetched[name] = await response.read()
                async with session.get(f"{url}x") as response:
                    assert response.status == 404

    service.before("GET", OPERATION, fetch)
    service.on("GET", OPERATION, Answer(body=an_operation("Running", "scan")))

    ended = await odu("update", "import", str(manifest), "--friendly-name", "Toast", "--json")

    assert ended.code == 0
    assert ended.document["operationId"] == "o1"
    assert fetched == {"": package.manifest, **package.files}
    [item] = service.requests[0].body
    assert item["friendlyName"] == "Toast"
    assert item["importManifest"]["sizeInBytes"] == len(package.manifest)
    assert item["importManifest"]["hashes"] == {"sha256": sha256(package.manifest)}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(item["importManifest"]["url"])


async def test_import_takes_a_parent_with_its_children(
    odu: Odu, service: Service, tmp_path: Path
) -> None:
    import_starts(service)
    service.on("GET", OPERATION, Answer(body=an_operation("Succeeded")))
    paths = []
    for name in ("parent", "child"):
        (tmp_path / name).mkdir()
        package = make_package("toaster", name=name, files={"same.sh": name.encode()})
        paths.append(str(write(tmp_path / name, package.manifest, package.files)))

    ended = await odu("update", "import", *paths, "--watch", "--json")

    assert ended.code == 0
    assert len(service.requests[0].body) == 2


async def test_import_sends_nothing_when_a_file_is_not_the_one_of_the_manifest(
    odu: Odu, service: Service, tmp_path: Path
) -> None:
    package = make_package("toaster", files={"a.sh": b"one", "b.sh": b"two"})
    manifest = write(tmp_path, package.manifest, {"a.sh": b"ONE"})

    ended = await odu("update", "import", str(manifest))

    assert ended.code == ExitCode.INVALID
    assert "/files/0/hashes/sha256" in ended.stderr
    assert "/files/1/filename" in ended.stderr
    assert service.requests == []


async def test_import_from_links_takes_files_beside_the_manifest(
    odu: Odu, service: Service
) -> None:
    package = make_package("toaster", files={"a.sh": b"one", "b.sh": b"two"})
    import_starts(service)
    service.on("GET", OPERATION, Answer(body=an_operation("Running", "fetch")))
    async with Sources() as sources:
        url = sources.put(package.manifest, "m.json") + "?sig=secret"

        ended = await odu(
            "update", "import", "--url", url, "--file", "b.sh=https://example.com/b?sig=x", "--json"
        )

    assert ended.code == 0
    [item] = service.requests[0].body
    assert item["importManifest"]["url"] == url
    assert item["importManifest"]["hashes"] == {"sha256": sha256(package.manifest)}
    assert item["files"] == [
        {"filename": "a.sh", "url": url.replace("m.json", "a.sh")},
        {"filename": "b.sh", "url": "https://example.com/b?sig=x"},
    ]


async def test_import_from_a_link_that_is_dead_keeps_the_secret_of_the_link(
    odu: Odu, service: Service
) -> None:
    async with Sources() as sources:
        ended = await odu("update", "import", "--url", sources.nowhere() + "?sig=secret")

    assert ended.code == ExitCode.UNREACHABLE
    assert "answers 404" in ended.stderr
    assert "secret" not in ended.stderr
    assert service.requests == []


async def test_failed_operation_prints_each_detail_with_its_pointer(
    odu: Odu, service: Service
) -> None:
    error = {
        "code": "CannotProcessImportManifest",
        "message": "The import manifest is not valid.",
        "innererror": {"code": "CannotParse", "innerError": {"code": "Deep"}},
        "details": [
            {"code": "X", "message": "document: lacks 'updateId'", "target": ""},
            {
                "code": "X",
                "message": "/files/0/sizeInBytes: must be at least 1",
                "target": "/files/0/sizeInBytes",
                "details": [{"code": "Y", "message": "below", "target": "/files/0"}],
            },
        ],
    }
    operation = an_operation("Failed", error=error)
    service.on("GET", OPERATION, Answer(body=operation))

    people = await odu("operation", "show", "o1", "--watch")
    programs = await odu("operation", "show", "o1", "--json")

    assert people.code == programs.code == ExitCode.FAILED
    assert people.stderr.splitlines() == [
        "odu: operation o1 failed (CannotProcessImportManifest / CannotParse / Deep): "
        "The import manifest is not valid.",
        "  document              lacks 'updateId'",
        "  /files/0/sizeInBytes  must be at least 1",
        "    /files/0              below",
    ]
    assert programs.document == operation


async def test_watched_operation_is_asked_for_until_it_has_ended(
    odu: Odu, service: Service
) -> None:
    service.on(
        "GET",
        OPERATION,
        Answer(body=an_operation("NotStarted", "fetch")),
        Answer(body=an_operation("Running", "fetch", missingFiles=["a.bin", "b.bin"])),
        Answer(body=an_operation("Running", "fetch", missingUpdates=[CHILD])),
        Answer(body=an_operation("Running", "fetch", bytesDone=5, bytesTotal=9)),
        Answer(body=an_operation("Running", "scan", bytesDone=9, bytesTotal=9)),
        Answer(body=an_operation("Running", "scan", awaitedFiles=["a.bin"])),
        Answer(body=an_operation("Succeeded", bytesDone=9, bytesTotal=9)),
    )

    ended = await odu("operation", "show", "o1", "--watch")

    assert ended.code == 0
    assert ended.stderr.splitlines() == [
        "fetching the files",
        "waiting for a.bin and 1 more",
        "waiting for acme/part/1.0",
        "scanning for malware",
        "waiting for a verdict on a.bin",
        "✓ operation o1 succeeded, 9 bytes",
    ]


@pytest.mark.parametrize(
    ("stage", "state", "expected"),
    [
        ("fetch", {}, (0, None, "")),
        ("fetch", {"bytesDone": 5, "bytesTotal": 9000}, (5, 9000, "5 of 9,000 bytes")),
        ("scan", {"bytesDone": 9, "bytesTotal": 9}, (0, None, "")),
        ("scan", {"filesScanned": 2, "filesTotal": 3, "bytesTotal": 9}, (2, 3, "2 of 3 files")),
        ("publish", {"filesScanned": 3, "filesTotal": 3, "bytesTotal": 9}, (0, None, "")),
        ("end", {"bytesDone": 9, "bytesTotal": 9}, (9, 9, "9 of 9 bytes")),
    ],
)
def test_bar_of_an_operation_measures_what_its_stage_does(
    stage: str, state: dict[str, Any], expected: tuple[int, int | None, str]
) -> None:
    assert measure(an_operation("Running", stage, **state)) == expected


async def test_operation_shows_what_is_scanned_and_what_is_awaited(
    odu: Odu, service: Service
) -> None:
    state = an_operation("Running", "scan", filesScanned=2, filesTotal=3, awaitedFiles=["a.bin"])
    service.on("GET", OPERATION, Answer(body=state))

    shown = await odu("operation", "show", "o1")

    assert "2 of 3" in shown.stdout
    assert "a.bin" in shown.stdout


async def test_delete_waits_until_the_update_is_gone(odu: Odu, service: Service) -> None:
    address = "updates/providers/contoso/names/toaster/versions/1.2"
    location = {"Operation-Location": f"{PREFIX}{OPERATION}?api-version=2022-10-01"}
    service.on("DELETE", address, Answer(202, headers=location))
    service.on("GET", OPERATION, Answer(body=an_operation("Succeeded")))

    ended = await odu("update", "delete", "contoso/toaster/01.2", "--yes", "--json")

    assert (ended.code, ended.document["status"]) == (0, "Succeeded")
