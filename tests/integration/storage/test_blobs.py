from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest

from shared.adapters.blobs import AzureBlobs
from shared.adapters.block_blob import BLOCK_BYTES
from shared.adapters.storage import StorageAccounts
from shared.domain.errors import LimitExceeded, NotFound

MIB = 1 << 20
# the SDK hands a block to aiohttp in one piece; at 4 MiB that is cheap
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


async def every_byte(blobs: AzureBlobs, name: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.stream("content", name)])


async def test_small_blob_is_read_as_it_was_written(blobs: AzureBlobs, instance: str) -> None:
    for content in (b"first", b"second one"):
        await blobs.write("content", f"{instance}/ä b#%.json", content)
        assert await blobs.read("content", f"{instance}/ä b#%.json") == content


async def test_missing_blob_is_told_apart_from_an_empty_one(
    blobs: AzureBlobs, instance: str, tmp_path: Path
) -> None:
    await blobs.write("content", f"{instance}/empty", b"")

    assert await blobs.read("content", f"{instance}/empty") == b""
    assert await every_byte(blobs, f"{instance}/empty") == b""
    assert await blobs.read("content", f"{instance}/none") is None
    assert await blobs.metadata("content", f"{instance}/none") is None
    with pytest.raises(NotFound):
        await every_byte(blobs, f"{instance}/none")
    with pytest.raises(NotFound):
        await blobs.download("content", f"{instance}/none", tmp_path / "none")


async def test_read_is_bounded(blobs: AzureBlobs, instance: str) -> None:
    await blobs.write("content", f"{instance}/a", b"x" * 100)

    assert await blobs.read("content", f"{instance}/a", max_bytes=100) == b"x" * 100
    with pytest.raises(LimitExceeded) as refused:
        await blobs.read("content", f"{instance}/a", max_bytes=99)
    assert refused.value.target == f"{instance}/a"


@pytest.mark.parametrize(
    "size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 5]
)
async def test_large_blob_is_written_in_blocks(
    blobs: AzureBlobs, accounts: StorageAccounts, instance: str, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    sink = blobs.open_write("content", f"{instance}/large")

    for at in range(0, size, 700_001):
        await sink.write(content[at : at + 700_001])
    unfinished = await blobs.metadata("content", f"{instance}/large") or {}
    assert "sha256" not in unfinished
    await sink.commit({"sha256": "abc"})

    known = await blobs.metadata("content", f"{instance}/large")
    assert known is not None
    assert (known["sha256"], known["size"]) == ("abc", str(size))
    assert await every_byte(blobs, f"{instance}/large") == content
    await blobs.download("content", f"{instance}/large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == content
    client = accounts.blobs.get_blob_client("content", f"{instance}/large")
    committed, _ = await client.get_block_list()
    assert len(committed) == (-(-size // BLOCK_BYTES) if size >= BLOCK_BYTES else 0)


async def test_abandoned_blob_does_not_mix_with_the_next(blobs: AzureBlobs, instance: str) -> None:
    abandoned = blobs.open_write("content", f"{instance}/a")
    await abandoned.write(b"x" * (BLOCK_BYTES + MIB))
    await abandoned.close()

    second = blobs.open_write("content", f"{instance}/a")
    await second.write(b"new")
    await second.commit({})

    assert await blobs.read("content", f"{instance}/a") == b"new"


async def test_copy_keeps_content_and_metadata(blobs: AzureBlobs, instance: str) -> None:
    sink = blobs.open_write("quarantine", f"{instance}/op/0/0")
    await sink.write(b"content")
    await sink.commit({"sha256": "abc"})

    await blobs.copy(("quarantine", f"{instance}/op/0/0"), ("content", f"{instance}/hash"))

    known = await blobs.metadata("content", f"{instance}/hash")
    assert known is not None
    assert known["sha256"] == "abc"
    assert await blobs.read("content", f"{instance}/hash") == b"content"


async def test_delete_all_spares_what_has_another_prefix(blobs: AzureBlobs, instance: str) -> None:
    names = [f"{instance}/op/{number}" for number in range(12)]
    await asyncio.gather(*(blobs.write("quarantine", name, b"x") for name in names))
    await blobs.write("quarantine", f"{instance}/other", b"x")

    await asyncio.gather(*(blobs.delete_all("quarantine", f"{instance}/op/") for _ in range(2)))

    assert [name for name in names if await blobs.metadata("quarantine", name)] == []
    assert await blobs.metadata("quarantine", f"{instance}/other") is not None


async def test_blob_is_deleted_only_as_it_was_read(blobs: AzureBlobs, instance: str) -> None:
    name = f"{instance}/a"
    await blobs.write("content", name, b"x")
    known = await blobs.metadata("content", name)
    assert known is not None
    assert await blobs.touch("content", name)
    touched = await blobs.metadata("content", name)
    assert touched is not None

    await blobs.delete("content", name, known["etag"])
    assert await blobs.read("content", name) == b"x"
    await blobs.delete("content", name, touched["etag"])
    await blobs.delete("content", name, touched["etag"])

    assert await blobs.metadata("content", name) is None
    assert not await blobs.touch("content", name)


async def test_link_opens_one_blob_for_reading_only(blobs: AzureBlobs, instance: str) -> None:
    await blobs.write("content", f"{instance}/hash", b"content")
    await blobs.write("content", f"{instance}/other", b"other")
    link = await blobs.link("content", f"{instance}/hash", "apply.sh")

    async with aiohttp.ClientSession() as session:
        async with session.get(link) as answer:
            assert (answer.status, await answer.read()) == (200, b"content")
            assert answer.headers["Content-Disposition"] == 'attachment; filename="apply.sh"'
        async with session.get(link, headers={"Range": "bytes=3-"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"tent")
        headers = {"x-ms-blob-type": "BlockBlob"}
        for refused in (
            session.put(link, data=b"changed", headers=headers),
            session.delete(link),
            session.get(link.replace("/hash?", "/other?")),
            session.get(link.partition("?")[0]),
        ):
            async with refused as answer:
                assert answer.status in (401, 403, 404)

    assert await blobs.read("content", f"{instance}/hash") == b"content"


async def test_link_is_shared_within_the_hour(blobs: AzureBlobs, instance: str) -> None:
    links = {await blobs.link("content", f"{instance}/hash", "apply.sh") for _ in range(2)}

    assert len(links) <= 2
    assert all("se=" in link and "sp=r&" in f"{link}&" for link in links)


async def test_link_does_not_work_when_it_has_expired(
    accounts: StorageAccounts, instance: str
) -> None:
    blobs = AzureBlobs(accounts, link_hours=-1.0)
    await blobs.write("content", f"{instance}/hash", b"content")
    link = await blobs.link("content", f"{instance}/hash", "apply.sh")

    async with aiohttp.ClientSession() as session, session.get(link) as answer:
        assert answer.status == 403
