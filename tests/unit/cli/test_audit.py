"""The audit log from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from odu_cli.exit_codes import ExitCode
from shared.domain.audit import Head, head_after, sealed
from tests.builders.audit import a_change
from tests.unit.cli.service import PREFIX, Answer, Service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Odu


def entries(count: int) -> list[dict[str, Any]]:
    """A chain, the newest first."""
    head, found = Head(), []
    for number in range(count):
        change = a_change(f"r{number}", target="management/groups/o'hare")
        entry = sealed("factory", change, head, f"2024-05-01T12:00:0{number}.000000+00:00")
        head = head_after(entry)
        found.append(json.loads(json.dumps(entry)))
    return found[::-1]


async def test_entries_are_listed_by_a_filter(odu: Odu, service: Service) -> None:
    service.on("GET", "audit", Answer(body={"value": entries(2)}))

    ended = await odu(
        "audit", "list", "--target", "management/groups/o'hare", "--from", "2024-05-01"
    )

    assert ended.code == 0
    assert len(ended.stdout.splitlines()) == 3
    assert service.requests[0].query == {
        "filter": "target eq 'management/groups/o''hare'",
        "from": "2024-05-01",
    }


async def test_an_export_proves_itself(odu: Odu, service: Service, tmp_path: Path) -> None:
    whole = entries(5)
    pages = [
        Answer(body={"value": whole[:3], "nextLink": f"{PREFIX}more?token=t"}),
        Answer(body={"value": whole[3:]}),
    ]
    service.on("GET", "audit", pages[0])
    service.on("GET", "more", pages[1])
    file = tmp_path / "audit.jsonl"

    exported = await odu("audit", "export", str(file))
    proved = await offline(file)
    anchored = await offline(file, "--hash", whole[0]["hash"])
    other = await offline(file, "--hash", "0" * 64)

    assert exported.code == 0
    assert proved.document["entryCount"] == 5
    assert proved.document["lastHash"] == whole[0]["hash"]
    assert anchored.code == 0
    assert other.code == ExitCode.FAILED


@pytest.mark.parametrize("at", range(5))
async def test_a_changed_export_is_refused(odu: Odu, tmp_path: Path, at: int) -> None:
    whole = entries(5)
    whole[at]["result"] = "Forbidden"
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in whole))

    ended = await offline(file)

    assert ended.code == ExitCode.FAILED
    assert ended.document["firstFinding"]["number"] == 5 - at


async def test_a_log_that_does_not_hold_ends_with_an_exit_code(odu: Odu, service: Service) -> None:
    proof = {
        "isIntact": False,
        "entryCount": 9,
        "firstFinding": {"number": 4, "reason": "it was changed"},
    }
    service.on("GET", "audit:verify", Answer(body=proof))

    ended = await odu("audit", "verify")

    assert ended.code == ExitCode.FAILED
    assert "entry 4: it was changed" in ended.stderr


async def offline(file: Path, *arguments: str) -> Any:
    """Check an export; no service is asked."""
    import asyncio

    from tests.command_line import run

    return await asyncio.to_thread(run, "audit", "verify-file", str(file), *arguments, "--json")
