"""A04 on a device: servers that never end, or that send ten bytes a second."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.download import Downloader, DownloadError

from .content_server import Fault, endless, serving
from .fixtures import QUICK, file_of

CONTENT = bytes(4096)


@pytest.mark.parametrize(
    ("fault", "erc"),
    [
        (endless(), Erc.DOWNLOAD_TOO_LONG),
        (endless(pause_seconds=0.1, chunk=b"x"), Erc.DOWNLOAD_TOO_SLOW),
    ],
    ids=["endless", "slow"],
)
async def test_a04_device_leaves_a_server_that_never_ends(
    tmp_path: Path, fault: Fault, erc: Erc
) -> None:
    downloader = Downloader(QUICK)
    async with serving() as server:
        server.faults["f"] = [fault]
        with pytest.raises(DownloadError) as refused:
            await asyncio.to_thread(
                downloader.fetch,
                server.url_of("f"),
                file_of(CONTENT),
                tmp_path / "f",
                threading.Event(),
            )
        downloader.close()

    assert refused.value.erc == erc
    assert not (tmp_path / "f").exists()
