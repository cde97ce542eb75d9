"""Each fault of a network, and what the device makes of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import namedtuple
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from odu_agent import download
from odu_agent.contract.codes import Erc
from odu_agent.download import Downloader, DownloadError
from odu_agent.fetching import Wanted

from .content_server import ContentServer, cut_after, serving, status
from .fixtures import QUICK, file_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 400
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
Outcome = namedtuple("Outcome", "erc message content")


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        started.contents["f"] = CONTENT
        yield started


async def _fetch(url: str, target: Path, content: bytes = CONTENT, **options: Any) -> Outcome:
    downloader = Downloader(options.pop("limits", QUICK), **options)
    try:
        await asyncio.to_thread(
            downloader.fetch_all, [Wanted(url, file_of(content), target)], threading.Event()
        )
    except DownloadError as error:
        return Outcome(error.erc, error.message, None)
    finally:
        downloader.close()
    return Outcome(None, "", _content(target))


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _corrupt() -> Any:
    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(body=content[:-1] + b"?")

    return answer


def _page(code: int = 200, body: bytes = PAGE, kind: str = "text/html") -> Any:
    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(status=code, body=body, content_type=kind)

    return answer


def _redirect(to: str) -> Any:
    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return answer


HEALED = {
    "dropped": [cut_after(1000), cut_after(40_000)],
    "server error": [status(500), status(503)],
    "throttled": [status(429)],
    "range that cannot be had": [cut_after(1000), status(416)],
    "a portal that the guest signs in to": [_page()],
}
FAULTS = {
    "truncated for good": ([cut_after(0)] * 3, Erc.DOWNLOAD_EXCEPTION, "the connection failed"),
    "corrupt": ([_corrupt()], Erc.DOWNLOAD_HASH_WRONG, "hash"),
    "expired link": (
        [status(403)],
        Erc.DOWNLOAD_REFUSED,
        "403: the link has expired",
    ),
    "withdrawn link": (
        [status(404)],
        Erc.DOWNLOAD_REFUSED,
        "404: the file is gone; import",
    ),
    "redirect elsewhere": (
        [_redirect("http://portal.example/login?token=secret")],
        Erc.DOWNLOAD_REFUSED,
        "to portal.example): a portal?",
    ),
    "portal page": ([_page()] * 3, Erc.DOWNLOAD_PORTAL, "captive portal"),
    "portal page of the right length": (
        [_page(body=PAGE.ljust(len(CONTENT)), kind="application/octet-stream")] * 3,
        Erc.DOWNLOAD_PORTAL,
        "a web page that has not the hash",
    ),
    "network that wants a sign-in": ([_page(511)] * 3, Erc.DOWNLOAD_PORTAL, "511"),
}


@pytest.mark.parametrize("name", HEALED)
async def test_fault_that_passes_is_healed(
    server: ContentServer, tmp_path: Path, name: str
) -> None:
    server.faults["f"] = list(HEALED[name])

    outcome = await _fetch(server.url_of("f"), tmp_path / "f", limits=replace(QUICK, attempts=4))

    assert outcome.content == CONTENT, outcome.message
    assert _names(tmp_path) == ["f"]


@pytest.mark.parametrize("name", FAULTS)
async def test_fault_that_lasts_has_its_code_and_reason(
    server: ContentServer, tmp_path: Path, name: str
) -> None:
    faults, erc, message = FAULTS[name]
    server.faults["f"] = list(faults)

    outcome = await _fetch(server.url_of("f"), tmp_path / "f")

    assert outcome.erc == erc
    assert message in outcome.message
    assert "payload.bin" in outcome.message, "which file it is"
    assert "secret" not in outcome.message
    assert not (tmp_path / "f").exists()


async def test_nobody_listens(tmp_path: Path) -> None:
    outcome = await _fetch("http://127.0.0.1:9/f?sig=secret", tmp_path / "f")

    assert outcome.erc == Erc.DOWNLOAD_EXCEPTION
    assert "secret" not in outcome.message


async def test_cache_on_the_gateway_is_asked_first(server: ContentServer, tmp_path: Path) -> None:
    """In the form of Connected Cache: the origin's path, its host as a parameter."""
    async with serving() as cache:
        cache.contents["f"] = CONTENT
        outcome = await _fetch(server.url_of("f"), tmp_path / "f", cache=cache.url)

    assert outcome.content == CONTENT
    assert (len(cache.requests), len(server.requests)) == (1, 0)
    assert cache.queries == [f"sig=secret&cacheHostOrigin={server.url[7:].replace(':', '%3A')}"]


@pytest.mark.parametrize("fault", ["absent", "broken", "corrupt", "refuses", "portal"])
async def test_origin_is_asked_where_the_cache_fails(
    server: ContentServer, tmp_path: Path, fault: str
) -> None:
    async with serving() as cache:
        cache.contents["f"] = CONTENT
        faults = {"broken": status(500), "corrupt": _corrupt(), "refuses": status(404)}
        cache.faults["f"] = [faults.get(fault, _page())] * 5
        url = "http://127.0.0.1:9" if fault == "absent" else cache.url
        outcome = await _fetch(server.url_of("f"), tmp_path / "f", cache=url)

    assert outcome.content == CONTENT, outcome.message


async def test_small_documents_go_through_the_proxy_too(
    server: ContentServer, tmp_path: Path
) -> None:
    async with serving() as proxy:
        proxy.contents["keys"] = server.contents["keys"] = b"keys"
        downloader = Downloader(QUICK, proxy=proxy.url)
        try:
            away = "http://203.0.113.1/keys"  # an address of which nobody answers
            assert await asyncio.to_thread(downloader.fetch_small, away, 100) == b"keys"
            proxy.faults["keys"] = [status(502)]
            url = server.url_of("keys")
            assert await asyncio.to_thread(downloader.fetch_small, url, 100) == b"keys"
        finally:
            downloader.close()


async def test_small_documents_come_through_the_cache_and_are_never_old_ones(
    server: ContentServer,
) -> None:
    """A device behind a gateway has no other way; a cache that keeps what it may not is passed."""
    server.contents["keys"] = b"new"
    async with serving() as cache:
        cache.contents["keys"] = b"old"
        downloader = Downloader(QUICK, cache=cache.url)
        try:
            away = "https://203.0.113.1/keys"  # an address of which nobody answers
            assert await asyncio.to_thread(downloader.fetch_small, away, 100) == b"old"
            url = server.url_of("keys")
            fresh = await asyncio.to_thread(downloader.fetch_small, url, 100, b"new".__eq__)
            for fault in (status(404), _page(), status(503)):
                cache.faults["keys"] = [fault]
                around = await asyncio.to_thread(downloader.fetch_small, url, 100)
                assert around == b"new"
        finally:
            downloader.close()

    assert fresh == b"new"
    assert cache.queries[0] == "cacheHostOrigin=203.0.113.1"


async def test_https_address_with_a_signature_is_never_sent_over_http(
    server: ContentServer,
) -> None:
    async with serving() as cache:
        cache.contents["keys"] = b"keys"
        downloader = Downloader(QUICK, cache=cache.url)
        with pytest.raises(DownloadError):
            await asyncio.to_thread(downloader.fetch_small, "https://127.0.0.1:9/keys?sig=s", 100)
        downloader.close()

    assert cache.requests == []


async def test_root_key_package_of_a_busy_service_is_asked_for_again(
    server: ContentServer,
) -> None:
    async def trickle(request: web.Request, content: bytes) -> web.StreamResponse:
        del content
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"k")
            await asyncio.sleep(0.02)
        return response

    server.contents["keys"] = b"keys"
    server.faults["keys"] = [status(503), trickle, status(429), status(500), cut_after(1)]
    downloader = Downloader(replace(QUICK, idle_seconds=0.5))
    try:
        data = await asyncio.to_thread(downloader.fetch_small, server.url_of("keys"), 100)
    finally:
        downloader.close()

    assert data == b"keys"
    assert len(server.requests) == 6


async def test_agent_that_ends_does_not_wait_for_a_busy_service(server: ContentServer) -> None:
    is_asked = asyncio.Event()

    async def busy(request: web.Request, content: bytes) -> web.StreamResponse:
        is_asked.set()
        return await status(503)(request, content)

    server.faults["keys"] = [busy] * 9
    downloader = Downloader(replace(QUICK, first_wait_seconds=60))
    asking = asyncio.ensure_future(
        asyncio.to_thread(downloader.fetch_small, server.url_of("keys"), 100)
    )
    await asyncio.wait_for(is_asked.wait(), 60)
    downloader.close()
    with pytest.raises(DownloadError, match="503"):
        await asyncio.wait_for(asking, 60)


async def test_any_caching_proxy_will_do(server: ContentServer, tmp_path: Path) -> None:
    async with serving() as proxy:
        proxy.contents["f"] = CONTENT
        through = await _fetch(server.url_of("f"), tmp_path / "a", proxy=proxy.url)
        proxy.faults["f"] = [status(502)] * 5
        around = await _fetch(server.url_of("f"), tmp_path / "b", proxy=proxy.url)

    assert through.content == around.content == CONTENT
    assert len(server.requests) == 1


async def test_files_come_several_at_once_and_the_first_that_fails_stops_all(
    server: ContentServer, tmp_path: Path
) -> None:
    together = asyncio.Barrier(3) if hasattr(asyncio, "Barrier") else None

    async def wait_for_others(request: web.Request, content: bytes) -> web.StreamResponse:
        if together is not None:
            await asyncio.wait_for(together.wait(), 60)
        return web.Response(body=content)

    for name in ("a", "b", "c"):
        server.contents[name] = name.encode() * 1000
        server.faults[name] = [wait_for_others]
    wanted = [
        Wanted(server.url_of(name), file_of(server.contents[name]), tmp_path / name)
        for name in ("a", "b", "c")
    ]
    downloader = Downloader(QUICK)
    await asyncio.to_thread(downloader.fetch_all, wanted, threading.Event())
    missing = [Wanted(server.url_of("gone"), file_of(b"x", "gone.bin"), tmp_path / "gone"), *wanted]

    with pytest.raises(DownloadError) as caught:
        await asyncio.to_thread(downloader.fetch_all, missing, threading.Event())

    assert _names(tmp_path) == ["a", "b", "c"]
    assert (caught.value.erc, "gone.bin" in caught.value.message) == (Erc.DOWNLOAD_REFUSED, True)
    downloader.close()


async def test_bandwidth_is_shared_by_all_downloads(server: ContentServer, tmp_path: Path) -> None:
    rate = len(CONTENT) * 2.0
    limits = replace(QUICK, bytes_per_second=rate, minimum_bytes_per_second=0)
    for name in ("a", "b"):
        server.contents[name] = CONTENT + name.encode()
    wanted = [
        Wanted(server.url_of(name), file_of(server.contents[name]), tmp_path / name)
        for name in ("a", "b")
    ]
    downloader = Downloader(limits)
    began = time.monotonic()

    await asyncio.to_thread(downloader.fetch_all, wanted, threading.Event())

    # A second's worth, of which a burst comes at once.
    assert time.monotonic() - began >= 0.7
    downloader.close()


async def test_nothing_is_asked_for_where_there_is_no_room(
    server: ContentServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage(0, 0, 10_000_000))

    outcome = await _fetch(server.url_of("f"), tmp_path / "f")

    assert outcome.erc == Erc.NO_SPACE
    assert "10000000 are free" in outcome.message
    assert server.requests == []
