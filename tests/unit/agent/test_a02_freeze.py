"""A02: old metadata is served for ever, so that a device never learns of a newer one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.rootkeys import RootKey
from odu_agent.download import Downloader
from odu_agent.state import DeviceState
from odu_agent.verification import VerificationError, Verifier

from odu_cli.keys.changes import first, refreshed
from odu_cli.keys.roots import Roots
from odu_cli.keys.signing_keys import KeyFolder
from shared.contract.rootkeys import modulus_bytes

from .content_server import serving
from .fixtures import QUICK


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


async def test_a02_device_refuses_the_same_package_once_it_has_expired(tmp_path: Path) -> None:
    roots, clock = Roots.generate(["R1", "R2"]), Clock()
    keyring = first(roots, KeyFolder(tmp_path / "keys").create("S1"), "tests")
    limited = refreshed(keyring, roots, int(clock.now) + 86_400, "tests")
    prolonged = refreshed(limited, roots, int(clock.now) + 10 * 86_400, "tests")
    built_in = {
        kid: RootKey(kid, modulus_bytes(key.public_key()), 65537) for kid, key in roots.keys.items()
    }
    state, downloader = DeviceState(tmp_path / "state"), Downloader(QUICK)
    verifier = Verifier(built_in, state, downloader, clock)

    async with serving() as server:

        async def fetched(package: str) -> Erc:
            server.contents["roots.json"] = package.encode()
            return await asyncio.to_thread(verifier.refresh_root_keys, server.url_of("roots.json"))

        assert await fetched(keyring.root_key_package) == Erc.PACKAGE_CHANGED
        assert await fetched(limited.root_key_package) == Erc.PACKAGE_CHANGED
        assert await fetched(limited.root_key_package) == Erc.PACKAGE_UNCHANGED
        clock.now += 2 * 86_400
        with pytest.raises(VerificationError) as refused:
            await fetched(limited.root_key_package)
        assert refused.value.erc == Erc.PACKAGE_EXPIRED
        with pytest.raises(VerificationError) as older:
            await fetched(keyring.root_key_package)
        assert older.value.erc == Erc.PACKAGE_ROLLED_BACK
        assert await fetched(prolonged.root_key_package) == Erc.PACKAGE_CHANGED
        downloader.close()
