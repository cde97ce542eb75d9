"""The scanner with its real worker process and the real engine."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.scanning.limits import WalkLimits
from shared.adapters.scanning.scanner import YaraXScanner
from shared.domain.errors import InvalidInput
from shared.ports import Sample
from tests.builders.scanner import CLEAN, OWN_RULES, verdict_on
from tests.unit.scanning.archives import EICAR, EVIL, a_cpio, a_deb, a_tar, a_zip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.domain.scanning.scan import Verdict


@pytest.fixture
async def scanner(tmp_path: Path) -> AsyncIterator[YaraXScanner]:
    scanner = YaraXScanner(spool_folder=tmp_path)
    yield scanner
    await scanner.close()


async def begun(scanner: YaraXScanner, folder: Path) -> asyncio.Task[Verdict]:
    """Start a scan of what `verdict_on` wrote last; on return the worker has been asked."""
    sample = Sample("x", 1, "update.bin", path=folder / "update.bin")
    task = asyncio.create_task(scanner.scan(sample, deadline_seconds=60))
    await asyncio.sleep(0)
    assert scanner._turn.locked()
    return task


def environment_of(process_id: int) -> bytes:
    return Path(f"/proc/{process_id}/environ").read_bytes()


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def worker_of(scanner: YaraXScanner) -> asyncio.subprocess.Process:
    assert scanner._process is not None
    return scanner._process


async def test_scanner_calls_a_clean_file_clean(scanner: YaraXScanner, tmp_path: Path) -> None:
    verdict = await verdict_on(scanner, tmp_path, a_zip({"a": CLEAN, "b": CLEAN}))

    assert (verdict.status, verdict.engine) == ("clean", "yara-x")
    assert verdict.engine_version
    assert len(verdict.rules_version) == 16
    assert verdict.members_scanned == 3
    assert verdict.bytes_scanned > 2 * len(CLEAN)


async def test_scanner_names_malware_and_its_place(scanner: YaraXScanner, tmp_path: Path) -> None:
    update = a_cpio({"inner.deb": a_deb(gzip.compress(a_tar({"control/evil.sh": EVIL})), "d.gz")})

    verdict = await verdict_on(scanner, tmp_path, update, name="update.swu")

    assert (verdict.status, verdict.names) == ("malicious", ("EICAR_Test_File",))
    assert verdict.member_path == "update.swu!inner.deb!d.gz!data!control/evil.sh"
    assert names_in(tmp_path) == ["update.bin"]


async def test_scanner_finds_malware_in_a_member_that_does_not_fit_in_memory(
    tmp_path: Path,
) -> None:
    scanner = YaraXScanner(limits=WalkLimits(memory_bytes=1000), spool_folder=tmp_path)

    verdict = await verdict_on(scanner, tmp_path, gzip.compress(CLEAN * 100_000 + EVIL))

    assert (verdict.status, verdict.member_path) == ("malicious", "update.bin!data")
    await scanner.close()


async def test_scanner_finds_malware_behind_a_large_file(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    large = random.Random(3).randbytes(64 << 20)

    verdict = await verdict_on(scanner, tmp_path, large + EICAR, name="image.bin")

    assert (verdict.status, verdict.member_path) == ("malicious", "image.bin")


async def test_scanner_says_unscannable_with_a_reason(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    verdict = await verdict_on(scanner, tmp_path, gzip.compress(CLEAN)[:-4], name="a.gz")

    assert (verdict.status, verdict.member_path) == ("unscannable", "a.gz!data")
    assert verdict.reason == "is cut short"


async def test_scanner_obeys_the_limits_it_was_given(tmp_path: Path) -> None:
    scanner = YaraXScanner(limits=WalkLimits(members=1))

    verdict = await verdict_on(scanner, tmp_path, a_tar({"a": CLEAN, "b": CLEAN}))

    assert verdict.status == "unscannable"
    await scanner.close()


@pytest.mark.parametrize("wrong", [{"sha256": "x"}, {"size_bytes": 1}])
async def test_scanner_fails_when_the_content_is_another(
    scanner: YaraXScanner, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    assert (await verdict_on(scanner, tmp_path, CLEAN, **wrong)).status == "error"


async def test_scanner_fails_when_the_file_is_gone(scanner: YaraXScanner, tmp_path: Path) -> None:
    absent = Sample("x", 1, "absent", path=tmp_path / "absent")
    verdict = await scanner.scan(absent, deadline_seconds=60)

    assert verdict.status == "error"
    assert str(tmp_path) not in str(verdict.reason)


async def test_scanner_keeps_its_worker_and_serves_callers_in_turn(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    await verdict_on(scanner, tmp_path, CLEAN)
    worker = worker_of(scanner)

    verdicts = await asyncio.gather(
        verdict_on(scanner, tmp_path / "a", CLEAN),
        verdict_on(scanner, tmp_path / "b", EICAR),
        verdict_on(scanner, tmp_path / "c", gzip.compress(CLEAN)[:-4]),
    )

    assert [verdict.status for verdict in verdicts] == ["clean", "malicious", "unscannable"]
    assert worker_of(scanner) is worker


async def test_scanner_fails_and_recovers_when_its_worker_dies_in_a_scan(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    await verdict_on(scanner, tmp_path, CLEAN)
    worker = worker_of(scanner)
    os.kill(worker.pid, signal.SIGSTOP)
    scan = await begun(scanner, tmp_path)
    os.kill(worker.pid, signal.SIGKILL)

    assert (await scan).status == "error"
    assert (await verdict_on(scanner, tmp_path, CLEAN)).status == "clean"
    assert worker_of(scanner) is not worker


async def test_scanner_fails_and_recovers_when_its_worker_hangs(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    await verdict_on(scanner, tmp_path, CLEAN)
    worker = worker_of(scanner)
    os.kill(worker.pid, signal.SIGSTOP)

    verdict = await verdict_on(scanner, tmp_path, CLEAN, seconds=0.2)

    assert (verdict.status, verdict.reason) == ("error", "the scan took too long")
    assert len(verdict.rules_version) == 16
    assert worker.returncode == -signal.SIGKILL
    assert (await verdict_on(scanner, tmp_path, CLEAN)).status == "clean"


async def test_scanner_never_says_clean_when_there_is_no_time(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    assert (await verdict_on(scanner, tmp_path, CLEAN, seconds=0)).status == "error"


async def test_scanner_ends_its_worker_when_the_caller_gives_up(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    await verdict_on(scanner, tmp_path, EICAR)
    worker = worker_of(scanner)
    os.kill(worker.pid, signal.SIGSTOP)
    scan = await begun(scanner, tmp_path)
    scan.cancel()

    with pytest.raises(asyncio.CancelledError):
        await scan
    assert worker.returncode == -signal.SIGKILL
    assert (await verdict_on(scanner, tmp_path, CLEAN)).status == "clean"


async def test_worker_ends_when_its_host_is_gone(scanner: YaraXScanner, tmp_path: Path) -> None:
    await verdict_on(scanner, tmp_path, CLEAN)
    worker = worker_of(scanner)
    assert worker.stdin is not None

    worker.stdin.close()

    assert await asyncio.wait_for(worker.wait(), 20) == 0


async def test_worker_knows_no_secrets_of_its_host(
    scanner: YaraXScanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_CONNECTION", "AccountKey=CANARY")

    await verdict_on(scanner, tmp_path, CLEAN)

    assert b"CANARY" not in environment_of(worker_of(scanner).pid)


async def test_scanner_uses_the_rules_it_is_given_instead_of_the_shipped_ones(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    shipped = await scanner.knowledge()
    before = await verdict_on(scanner, tmp_path, CLEAN)

    await scanner.load(OWN_RULES)
    own = await scanner.knowledge()
    refused = await verdict_on(scanner, tmp_path, CLEAN)
    unknown = await verdict_on(scanner, tmp_path, EICAR)
    await scanner.load(None)

    assert (before.status, before.knowledge) == ("clean", shipped)
    assert (refused.names, refused.knowledge) == (("Own",), own)
    assert own.rules_version != shipped.rules_version
    assert unknown.status == "clean"
    assert (await verdict_on(scanner, tmp_path, EICAR)).knowledge == shipped


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("rule {", "syntax error"),
        ("// nothing", "there is no rule"),
        ('include "/etc/hostname"\nrule R { condition: true }', "include"),
    ],
)
async def test_scanner_refuses_what_are_no_rules_and_keeps_those_it_has(
    scanner: YaraXScanner, tmp_path: Path, rules: str, reason: str
) -> None:
    await scanner.load(OWN_RULES)
    known = await scanner.knowledge()

    with pytest.raises(InvalidInput, match=reason):
        await scanner.load(rules)

    verdict = await verdict_on(scanner, tmp_path, CLEAN)
    assert (verdict.names, verdict.knowledge) == (("Own",), known)


async def test_worker_starts_again_with_the_rules_it_was_given(
    scanner: YaraXScanner, tmp_path: Path
) -> None:
    await scanner.load(OWN_RULES)
    worker = worker_of(scanner)
    worker.kill()
    await worker.wait()

    assert (await verdict_on(scanner, tmp_path, CLEAN)).names == ("Own",)
