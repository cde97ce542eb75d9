"""The real clamd behind the walker."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.scanning.scanner import ClamdScanner, YaraXScanner
from shared.domain.scanning.scan import worst
from shared.ports import Sample
from shared.services.scanning.engines import Scanning
from tests.builders.scanner import CLEAN, OWN_RULES, verdict_on
from tests.clamd import LIMIT_BYTES, NAME, Daemon, start_clamd
from tests.fakes.clock import FixedClock
from tests.fakes.updates import MemoryVerdicts
from tests.packages import sha256
from tests.unit.scanning.archives import EICAR, EVIL, a_cpio, a_deb, a_tar, a_zip, zstd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.domain.scanning.scan import Verdict

SMALL = LIMIT_BYTES // 2


@pytest.fixture(scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with start_clamd(tmp_path_factory.mktemp("clamd")) as daemon:
        yield daemon


async def judged(address: str, folder: Path, data: bytes, **more: Any) -> Verdict:
    limit = more.pop("max_bytes", SMALL)
    scanner = ClamdScanner(address, limit, spool_folder=folder)
    try:
        return await verdict_on(scanner, folder, data, **more)
    finally:
        await scanner.close()


async def test_clamd_is_shown_every_member(daemon: Daemon, tmp_path: Path) -> None:
    """By itself clamd 1.4 opens neither zstd nor the members of a Debian package."""
    update = a_cpio({"inner.deb": a_deb(zstd(a_tar({"bin/evil": EVIL})), "data.tar.zst")})

    found = await judged(daemon.tcp, tmp_path, update, name="update.swu")
    clean = await judged(daemon.unix, tmp_path, a_zip({"a": CLEAN, "b": CLEAN}))

    assert (found.status, found.names, found.reason) == ("malicious", (NAME,), None)
    assert found.member_path == "update.swu!inner.deb!data.tar.zst!data!bin/evil"
    assert (clean.status, clean.engine, clean.members_scanned) == ("clean", "clamd", 3)
    assert clean.engine_version
    assert clean.rules_version == ""


async def test_clamd_is_given_nothing_that_it_would_not_read(
    daemon: Daemon, tmp_path: Path
) -> None:
    large = await judged(daemon.unix, tmp_path, b"x" * SMALL + b"y")
    member = await judged(daemon.unix, tmp_path, gzip.compress(b"x" * SMALL + b"y"))
    more_than_configured = await judged(
        daemon.unix, tmp_path, b"x" * LIMIT_BYTES * 3, max_bytes=LIMIT_BYTES * 4
    )

    assert (large.status, large.member_path) == ("unscannable", "update.bin")
    assert (member.status, member.member_path) == ("unscannable", "update.bin!data")
    assert more_than_configured.status == "unscannable"
    assert more_than_configured.reason == "has more bytes than clamd's StreamMaxLength"


async def test_clamd_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async with start_clamd(tmp_path) as daemon:
        scanner = ClamdScanner(daemon.unix, SMALL, spool_folder=tmp_path)
        assert (await verdict_on(scanner, tmp_path, CLEAN)).status == "clean"
        os.kill(daemon.process.pid, signal.SIGSTOP)
        stuck = await verdict_on(scanner, tmp_path, CLEAN, seconds=0.5)
        daemon.process.kill()
        await daemon.process.wait()
        gone = await verdict_on(scanner, tmp_path, EICAR)
        assert await scanner.knowledge() is None
        await scanner.close()

    assert (stuck.status, stuck.reason) == ("error", "the scan took too long")
    assert gone.status == "error"
    assert "cannot be reached" in str(gone.reason)


async def test_worst_verdict_of_several_engines_counts(daemon: Daemon, tmp_path: Path) -> None:
    """YARA-X has rules of its own here, and clamd one signature: each finds what it knows."""
    yara, clamd = YaraXScanner(), ClamdScanner(daemon.unix, SMALL)
    await yara.load(OWN_RULES)
    scanning = Scanning([yara, clamd], MemoryVerdicts(), FixedClock())

    async def statuses(data: bytes) -> tuple[str, list[str]]:
        async def download(path: Path) -> str:
            await asyncio.to_thread(path.write_bytes, data)
            return "etag"

        sample = Sample(sha256(data), len(data), "update.bin")
        judged = await scanning.judge("i", sample, download, knowledge=await scanning.knowledge())
        return worst(judged.verdicts).status, [item.status for item in judged.verdicts]

    assert await statuses(b"nothing") == ("clean", ["clean", "clean"])
    assert await statuses(CLEAN) == ("malicious", ["malicious", "clean"])
    assert await statuses(EICAR) == ("malicious", ["clean", "malicious"])
    assert await statuses(b"x" * SMALL + b"y") == ("unscannable", ["clean", "unscannable"])
    await asyncio.gather(yara.close(), clamd.close())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "no whole answer"),
        (b"x" * 10_000, "no whole answer"),
        (b"stream: Can't allocate memory ERROR\0", "answered with an error"),
        (b"perfectly fine\0", "answered with an error"),
        (b"stream: Heuristics.Limits.Exceeded.MaxFiles FOUND\0", "not looked into"),
    ],
)
async def test_answer_that_is_no_verdict_is_never_taken_for_clean(
    tmp_path: Path, answer: bytes, reason: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zINSTREAM\0":
            while size := int.from_bytes(await reader.readexactly(4)):
                await reader.readexactly(size)
        writer.write(b"ClamAV 9/1/today\0" if command == b"zVERSION\0" else answer)
        await writer.drain()
        writer.close()

    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(serve, path):
        verdict = await judged(f"unix://{path}", tmp_path, CLEAN)

    assert verdict.status in ("error", "unscannable")
    assert reason in str(verdict.reason)
    assert (verdict.engine_version, verdict.rules_version) == ("9", "1/today")
