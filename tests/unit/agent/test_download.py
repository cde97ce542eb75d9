from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestFile
from odu_agent.download import (
    DownloadCancelledError,
    Downloader,
    DownloadError,
    DownloadLimits,
)
from odu_agent.names import is_plain_file_name, local_name

from .content_server import ContentServer, cut_after, endless, serving, status
from .fixtures import QUICK, file_of

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        started.contents["f"] = CONTENT
        yield started


async def _fetch(
    server: ContentServer,
    target: Path,
    file: ManifestFile | None = None,
    *,
    url: str | None = None,
    limits: DownloadLimits = QUICK,
    cancelled: threading.Event | None = None,
) -> None:
    downloader = Downloader(limits)
    try:
        await asyncio.to_thread(
            downloader.fetch,
            url or server.url_of("f"),
            file or file_of(CONTENT),
            target,
            cancelled or threading.Event(),
        )
    finally:
        downloader.close()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def _failure(server: ContentServer, target: Path, *args: Any, **options: Any) -> int:
    with pytest.raises(DownloadError) as caught:
        await _fetch(server, target, *args, **options)
    assert "sig=" not in caught.value.message
    return caught.value.erc


async def test_download_puts_the_file_and_nothing_else(
    server: ContentServer, tmp_path: Path
) -> None:
    await _fetch(server, tmp_path / "folder" / "f")

    assert (tmp_path / "folder" / "f").read_bytes() == CONTENT
    assert _names(tmp_path / "folder") == ["f"]


async def test_download_asks_nothing_when_the_file_is_there(
    server: ContentServer, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(CONTENT)

    await _fetch(server, tmp_path / "f")

    assert server.requests == []


async def test_download_replaces_the_file_when_it_is_another(
    server: ContentServer, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"old")

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_download_goes_on_where_the_connection_was_cut(
    server: ContentServer, tmp_path: Path
) -> None:
    server.faults["f"] = [cut_after(100_000)]

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.requests[0] == ("f", None)
    start = int(str(server.requests[1][1]).removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 100_000


async def test_download_goes_on_in_another_run(server: ContentServer, tmp_path: Path) -> None:
    server.faults["f"] = [cut_after(100_000), status(503), status(503)]
    assert await _failure(server, tmp_path / "f") == Erc.DOWNLOAD_EXCEPTION

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.requests[-1][1] is not None


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
async def test_download_starts_again_when_the_content_cannot_be_told_apart(
    server: ContentServer, tmp_path: Path, etag: str | None
) -> None:
    server.faults["f"] = [cut_after(100_000, etag=etag)]

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.requests[1] == ("f", None)


async def test_download_starts_again_when_the_content_has_changed(
    server: ContentServer, tmp_path: Path
) -> None:
    server.faults["f"] = [cut_after(100_000, etag='"old"')]

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_download_starts_again_when_the_server_sends_another_part(
    server: ContentServer, tmp_path: Path
) -> None:
    async def wrong_part(request: web.Request, content: bytes) -> web.Response:
        headers = {"Content-Range": f"bytes 7-{len(content) - 1}/{len(content)}"}
        return web.Response(status=206, body=content[7:], headers=headers)

    server.faults["f"] = [cut_after(100_000), wrong_part]

    await _fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == CONTENT


async def test_download_fails_when_the_hash_is_wrong(server: ContentServer, tmp_path: Path) -> None:
    server.contents["f"] = b"y" + CONTENT[1:]

    assert await _failure(server, tmp_path / "f") == Erc.DOWNLOAD_HASH_WRONG
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "erc"),
    [(CONTENT + b"x", Erc.DOWNLOAD_TOO_LONG), (CONTENT[1:], Erc.DOWNLOAD_HASH_WRONG)],
)
async def test_download_fails_when_the_length_is_another(
    server: ContentServer, tmp_path: Path, content: bytes, erc: Erc
) -> None:
    server.contents["f"] = content

    assert await _failure(server, tmp_path / "f") == erc
    assert _names(tmp_path) == []


async def test_download_stops_at_the_size_when_the_server_never_ends(
    server: ContentServer, tmp_path: Path
) -> None:
    server.faults["f"] = [endless()]

    assert await _failure(server, tmp_path / "f") == Erc.DOWNLOAD_TOO_LONG
    assert _names(tmp_path) == []


async def test_download_leaves_a_server_when_it_trickles(
    server: ContentServer, tmp_path: Path
) -> None:
    server.faults["f"] = [endless(pause_seconds=0.05, chunk=b"x")]

    assert await _failure(server, tmp_path / "f") == Erc.DOWNLOAD_TOO_SLOW


async def test_download_ends_at_its_deadline(server: ContentServer, tmp_path: Path) -> None:
    limits = replace(QUICK, timeout_seconds=0.2, minimum_bytes_per_second=1)
    server.faults["f"] = [endless(pause_seconds=0.02, chunk=b"x" * 50)]

    assert await _failure(server, tmp_path / "f", limits=limits) == Erc.DOWNLOAD_TOO_SLOW


async def test_download_tries_again_when_the_server_falls_silent(
    server: ContentServer, tmp_path: Path
) -> None:
    server.faults["f"] = [endless(pause_seconds=60)]

    await _fetch(server, tmp_path / "f", limits=replace(QUICK, idle_seconds=0.2))

    assert (tmp_path / "f").read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [302, 403, 404])
async def test_download_fails_at_once_when_refused(
    server: ContentServer, tmp_path: Path, code: int
) -> None:
    server.faults["f"] = [status(code)]

    assert await _failure(server, tmp_path / "f") == Erc.DOWNLOAD_REFUSED
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://x/y", "http://", "http://[::1", "//x"]
)
async def test_download_fails_when_the_address_is_unusable(
    server: ContentServer, tmp_path: Path, url: str
) -> None:
    downloader = Downloader(QUICK)

    with pytest.raises(DownloadError) as caught:
        downloader.fetch(url, file_of(CONTENT), tmp_path / "f", threading.Event())
    assert caught.value.erc == Erc.DOWNLOAD_INVALID_URL
    with pytest.raises(DownloadError) as caught:
        downloader.fetch_small(url, 10)
    assert caught.value.erc == Erc.DOWNLOAD_INVALID_URL


@pytest.mark.parametrize(
    ("hashes", "erc"),
    [({}, Erc.DOWNLOAD_NO_HASHES), ({"md5": "x"}, Erc.DOWNLOAD_HASH_TYPE_UNSUPPORTED)],
)
async def test_download_fails_when_the_manifest_has_no_usable_hash(
    server: ContentServer, tmp_path: Path, hashes: dict[str, str], erc: Erc
) -> None:
    assert await _failure(server, tmp_path / "f", file_of(CONTENT, hashes=hashes)) == erc
    assert server.requests == []


async def test_download_takes_the_first_hash_whatever_its_case(
    server: ContentServer, tmp_path: Path
) -> None:
    digest = file_of(CONTENT).hashes["sha256"]

    await _fetch(server, tmp_path / "f", file_of(CONTENT, hashes={"SHA256": digest, "md5": "x"}))

    assert (tmp_path / "f").exists()


async def test_download_of_an_empty_file_succeeds(server: ContentServer, tmp_path: Path) -> None:
    server.contents["f"] = b""

    await _fetch(server, tmp_path / "f", file_of(b""))

    assert (tmp_path / "f").read_bytes() == b""


async def test_download_stops_when_cancelled(server: ContentServer, tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(DownloadCancelledError):
        await _fetch(server, tmp_path / "f", cancelled=cancelled)


async def test_small_document_is_bounded_and_tried_again(server: ContentServer) -> None:
    downloader = Downloader(QUICK)
    server.faults["f"] = [cut_after(10), cut_after(10)]

    data = await asyncio.to_thread(downloader.fetch_small, server.url_of("f"), len(CONTENT))

    assert data == CONTENT
    with pytest.raises(DownloadError) as caught:
        await asyncio.to_thread(downloader.fetch_small, server.url_of("f"), len(CONTENT) - 1)
    assert caught.value.erc == Erc.DOWNLOAD_TOO_LONG
    downloader.close()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:x",
        "a\0b",
        "a\nb",
        "CON",
        "con.txt",
        "LPT1.bin",
        "NUL",
        "trailing.",
        "trailing ",
        " leading",
        "a\u202egnp.exe",
        "a\u200b",
        "x" * 300,
        "é" * 200,
        "what?",
        "a*",
        "<a>",
        "a|b",
        'a"b',
        "\ud800",
    ],
)
def test_file_name_is_refused_when_not_safe_everywhere(name: str) -> None:
    assert not is_plain_file_name(name)


@pytest.mark.parametrize("name", ["a", "apt-manifest-1.0.json", "Über uns.bin", "CONTOSO.swu"])
def test_file_name_is_accepted_when_plain(name: str) -> None:
    assert is_plain_file_name(name)


@pytest.mark.parametrize("file_id", ["../x", "a/b", "", ".", "x" * 65, "\ud800", "a b"])
def test_local_name_is_a_hash_when_the_id_is_odd(file_id: str) -> None:
    assert len(local_name(file_id)) == 64
    assert local_name("f483750ebb885d32c") == "f483750ebb885d32c"
